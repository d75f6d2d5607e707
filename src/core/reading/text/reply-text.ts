/** How much is read, in characters. New text is near the top, or below a quotation that is not far from it. */
const MAX_BODY = 100_000

/** "On …, Ann wrote:" in the words of many mail programs. The line has a date or an address and ends in a colon. */
const WROTE = [
  /^(?:on|le|el|il|in data|em|no dia|pe|la data de|στις)\s.{1,300}(?:wrote|writes|[ée]crit|escribi[óo]|scritto|escreveu|a scris|kirjoitti|έγραψε)\s?[:：]$/iu,
  /^(?:am|op|den|dne|dnia|w dniu|em|(?:ma|ti|ke|to|pe|la|su|man|tir|tors?|ons|fre|l[øö]r|s[øö]n|m[åa]n|tis)\.?)\s.{1,200}(?:schrieb|schreef|skrev|pisze|napisał(?:\(a\))?|napsal(?:\(a\))?|kirjoitti).{0,150}[:：]$/iu,
  /^.{0,120}<[^<>\s]{3,200}>\s?(?:(?:wrote|schrieb|schreef|skrev|escribi[óo]|a [ée]crit|ha scritto|írta|yazdı|kirjoitti)(?:\s.{1,100})?|on .{4,100} wrote)?\s?[:：]$/iu,
  /^(?:.{1,60}) (?:on|schrieb am|wrote on) \d.{4,80}(?: wrote)?\s?:$/iu,
  /^(?:пн|вт|ср|чт|пт|сб|вс|pon|wt|śr|czw|pt|sob|niedz|\d).{0,80}(?:г\.|\d).{0,200}(?:<[^<>\s]{3,200}>|написал(?:\(а\)|а)?|пишет|napisał(?:\(a\))?)\s?[:：]$/iu,
  /^(?:在|于|於)?.{0,200}\d.{0,200}(?:写道|寫道|写到)\s?[:：]$/u,
  /^\d{4}[-/年년.].{0,200}(?:のメッセージ|書きました|작성)\s?[:：]$/u,
]
const TELLS_WHEN_OR_WHO = /[\d@]/
const OPENS =
  /^(?:on|le|el|il|in data|em|op|am|den|dne|dnia|w dniu|pe|ma|ti|ke|to|la|su|man|tir|tors?|ons|fre)\b|^\d{4}[-/年년.]|^[在于於]|^(?:пн|вт|ср|чт|пт|сб|вс),/iu

/** The lines that mail programs put above an older mail, such as "---- Original Message ----". */
const APART =
  /^[\s>*]{0,5}(?:[-_=]{2,}\s?(?:original message|forwarded (?:message|by)|urspr[üu]ngliche (?:nachricht|mail)|weitergeleitete nachricht|message (?:d['’]origine|original|transf[ée]r[ée])|mensaje (?:original|reenviado)|messaggio (?:originale|inoltrato)|mensagem (?:original|encaminhada)|oorspronkelijk bericht|doorgestuurd bericht|oprindelig besked|ursprungligt meddelande|原始邮件|转发邮件|元のメッセージ|転送メッセージ|원본 메시지)|(?:begin forwarded message|anfang der weitergeleiteten (?:nachricht|e-?mail)|d[ée]but du message (?:transf[ée]r[ée]|r[ée]exp[ée]di[ée])|inicio del mensaje reenviado|inizio messaggio inoltrato|転送されたメッセージ)\s?[:：]?)/i
const FROM =
  /^[\s>*]{0,5}(?:from|von|de|da|van|fr[åa]n|fra|od|lähettäjä|от|差出人|发件人|寄件者|보낸 사람)\*?\s?[:：]/i
const FIELD =
  /^[\s>*]{0,5}(?:sent|date|to|cc|subject|reply-to|gesendet|datum|an|betreff|envoy[ée](?: le)?|[àa]|objet|enviado(?: el| em)?|fecha|data|para|asunto|assunto|inviato|a|oggetto|verzonden|aan|onderwerp|skickat|till|[äa]mne|til|emne|wysłano|do|temat|отправлено|кому|тема|дата|送信日時|日時|日付|宛先|件名|发送时间|日期|收件人|主题|寄件日期|收件者|主旨|보낸 날짜|받는 사람|제목)\*?\s?[:：]/i
const DEVICE =
  /^\W{0,3}(?:sent (?:from|via|with) |get outlook for |gesendet (?:von|mit) |von mein\w* .{1,40} gesendet|diese nachricht wurde von mein|envoy[ée] (?:de|depuis|[àa] partir de|avec) |t[ée]l[ée]charger outlook|enviado (?:desde|de|do|a partir do) |inviato da |verzonden (?:vanaf|met) |verstuurd vanaf |sendt fra |skickat från |l[äa]hetetty |wysłane z |отправлено (?:с|из) |iphoneから送信|私の.{1,20}から送信|从我的.{1,20}发送|发自我的|나의 .{1,20}에서 보냄)/i
const SIGN_OFF =
  /^(?:(?:kind|kindest|best|warm|warmest|many|with)(?: \w+)? (?:regards|wishes|thanks)|regards|best|all the best|cheers|sincerely|respectfully|yours(?: \w+)?|thanks|thank you|many thanks|thx|br|mit (?:freundlichen|besten|herzlichen) gr[üu](?:ß|ss)en|(?:viele|beste|liebe|herzliche|sch[öo]ne) gr[üu](?:ß|ss)e|mfg|vg|lg|(?:bien )?cordialement|bien [àa] vous|bonne (?:journ[ée]e|soir[ée]e)|salutations(?: distingu[ée]es)?|(?:un )?(?:cordial )?saludos?(?: cordial(?:es)?)?|atentamente|cordiali saluti|distinti saluti|met vriendelijke groet(?:en)?|atenciosamente|med v[äa]nliga h[äa]lsningar|敬具|よろしくお願い(?:いた)?します|よろしくお願い致します|此致|祝好)\s?[,.!。、]{0,3}$/i

/** Most lines of a signature (name, title, phone number), and the most characters in each. */
const SIGNATURE_LINES = 10
const SIGNATURE_WIDTH = 90

/**
 * The new text of a reply: without quoted mail (above, below or between the lines), forwarded mail and the signature. '' if
 * nothing is left. Reads the first 100,000 characters, each line once.
 */
export function replyText(text: string): string {
  const body = text.slice(0, MAX_BODY).replace(/\r\n?/g, '\n')
  const lines = body.replace(/[\u200b\u200e\u200f\u202a-\u202e\ufeff]/g, '').split('\n')
  const own: string[] = []
  for (let at = 0; at < lines.length; at++) {
    const line = (lines[at] ?? '').trimEnd()
    if (line.trimStart().startsWith('>')) continue
    if (line === '') {
      own.push(line)
      continue
    }

    const header = headerLines(lines, at)
    if (header > 0) {
      const next = nextWritten(lines, at + header)
      if (!(lines[next] ?? '').trimStart().startsWith('>')) break
      at = next - 1
      continue
    }
    if (isApart(lines, at)) break
    if (isSignature(lines, at, own)) {
      at = quotationAfter(lines, at) - 1
      continue
    }
    own.push(line)
  }
  return own
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()
}

/** How many lines a "… wrote:" takes here: up to three, because mail programs wrap it. 0 if there is none. */
function headerLines(lines: string[], at: number): number {
  const first = plain(lines[at])
  if (first.length > 500) return 0
  if (isWrote(first)) return 1
  if (!OPENS.test(first)) return 0
  for (const count of [2, 3]) {
    const span = lines.slice(at, at + count).map(plain)
    if (span.some((line) => line === '' || line.length > 300)) return 0
    if (isWrote(span.join(' '))) return count
  }
  return 0
}

function isWrote(line: string): boolean {
  return /[:：]$/.test(line) && TELLS_WHEN_OR_WHO.test(line) && WROTE.some((pattern) => pattern.test(line))
}

/** The line without `>`, stars, underscores and dashes around it. */
function plain(line = ''): string {
  return line.slice(0, 600).replace(/^[\s>*_-]+|[\s*_-]+$/g, '')
}

function isApart(lines: string[], at: number): boolean {
  const line = (lines[at] ?? '').slice(0, 300)
  if (/^_{10,}$/.test(line.trim())) return isHeading(lines, nextWritten(lines, at + 1))
  return APART.test(line) || isHeading(lines, at)
}

/** "From: … Sent: … To: …", as Outlook writes it above an older mail. */
function isHeading(lines: string[], at: number): boolean {
  const fields = lines.slice(at, at + 6).map((line) => line.slice(0, 300))
  return FROM.test(fields[0] ?? '') && fields.slice(1).filter((line) => FIELD.test(line)).length >= 2
}

function isSignature(lines: string[], at: number, own: string[]): boolean {
  const raw = lines[at] ?? ''
  const line = raw.trim()
  if (/^--\s?$/.test(raw) || /^[-–—]{2,3}$/.test(line)) return true
  if (line.length > 120) return false
  if (DEVICE.test(line)) return isLast(lines, at)
  if (!SIGN_OFF.test(line)) return false
  return own.some((each) => each.trim() !== '') && isLast(lines, at)
}

/** Whether only a few short lines follow before the end or a quotation. Otherwise the text goes on, and this is no signature. */
function isLast(lines: string[], at: number): boolean {
  let seen = 0
  for (let below = at + 1; below < lines.length && seen <= SIGNATURE_LINES; below++) {
    const line = (lines[below] ?? '').trim()
    if (line === '') continue
    if (line.startsWith('>') || /^--$/.test(line) || headerLines(lines, below) > 0 || isApart(lines, below))
      return true
    if (line.length > SIGNATURE_WIDTH) return false
    seen++
  }
  return seen <= SIGNATURE_LINES
}

/** The first line of the next quotation. The text after it is new text again. */
function quotationAfter(lines: string[], at: number): number {
  for (let below = at + 1; below < lines.length; below++) {
    const line = lines[below] ?? ''
    if (line.trimStart().startsWith('>') || headerLines(lines, below) > 0 || isApart(lines, below))
      return below
  }
  return lines.length
}

function nextWritten(lines: string[], from: number): number {
  let at = from
  while (at < lines.length && (lines[at] ?? '').trim() === '') at++
  return at
}

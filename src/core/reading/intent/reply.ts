/** How much is read, in characters. Senders state what they want before this. */
const READ_AT_MOST = 10_000

const WROTE =
  /^\W{0,5}(on|am|le|el|il|op|em|den)\b.{0,250}\b(wrote|schrieb|[ée]crit|escribi[óo]|scritto|schreef|escreveu|skrev)\b.{0,150}:$/i
const ORIGINAL =
  /^[-_* ]{2,}(original message|forwarded message|urspr[üu]ngliche nachricht|message d'origine|message transf[ée]r[ée]|mensaje original|begin forwarded)/i
const SENDER = /^\W{0,3}(from|von|de|da)\s?:/i
const HEADING =
  /^\W{0,3}(sent|date|to|subject|gesendet|datum|an|betreff|envoy[ée]|[àa]|objet|enviado|fecha|para|asunto)\s?:/i
const DEVICE =
  /^(sent (from|via) |get outlook for |gesendet (von|mit) |von mein\w+ .{1,40} gesendet|envoy[ée] (de|depuis|[àa] partir de) |enviado (desde|de) )/i
const SIGN_OFF =
  /^((kind|best|warm|many|with)( \w+)? (regards|wishes|thanks)|regards|best|all the best|cheers|sincerely|yours( \w+)?|thanks|thank you|many thanks|thx|br|mit (freundlichen|besten|herzlichen) gr[üu](ß|ss)en|(viele|beste|liebe|herzliche) gr[üu](ß|ss)e|mfg|vg|(bien )?cordialement|bien [àa] vous|bonne journ[ée]e|(un )?saludos?( cordiales?)?|atentamente)\s?[,.!]{0,3}$/i

/**
 * The sender's own words: the body without quoted mail and signature. Reads line by line in linear time, because anybody
 * may send us any text.
 */
export function ownWords(body: string): string {
  const lines = body.slice(0, READ_AT_MOST).replace(/\r\n?/g, '\n').split('\n')
  const own: string[] = []
  for (let at = 0; at < lines.length; at++) {
    const line = (lines[at] ?? '').trim()
    if (line.startsWith('>')) continue
    const span = headerSpan(lines, at)
    if (span > 0) {
      const next = lines.slice(at + span).find((each) => each.trim() !== '')
      if (!next?.trim().startsWith('>')) break
      at += span - 1
      continue
    }
    if (isOriginal(lines, at) || line === '--' || DEVICE.test(line)) break
    if (SIGN_OFF.test(line) && own.some((each) => each !== '')) {
      at = quoteAfter(lines, at)
      continue
    }
    own.push(line)
  }
  return own.join('\n').trim()
}

/** How many lines a "… wrote:" takes here: one or two, because mail programs wrap it. 0 if there is none. */
function headerSpan(lines: string[], at: number): number {
  const line = (lines[at] ?? '').trim()
  if (line.length > 400) return 0
  if (WROTE.test(line)) return 1
  return /^(on|am|le|el|il|op|em|den) /i.test(line) &&
    WROTE.test(`${line} ${(lines[at + 1] ?? '').trim().slice(0, 300)}`)
    ? 2
    : 0
}

function isOriginal(lines: string[], at: number): boolean {
  const line = lines[at] ?? ''
  if (ORIGINAL.test(line)) return true
  return SENDER.test(line) && lines.slice(at + 1, at + 4).some((each) => HEADING.test(each))
}

/** The first quoted line after a sign-off, or the end. Text after the quotation counts again. */
function quoteAfter(lines: string[], at: number): number {
  const quoted = lines.findIndex((each, index) => index > at && each.trimStart().startsWith('>'))
  return quoted === -1 ? lines.length : quoted
}

/** The name of this product. A name or an address that contains it speaks for the service. */
const PRODUCT = 'moltpost'

/** What letters of the service are about: only the service may write under such a name. */
const SERVICE =
  'abuse account accounts admin administrator approval approvals approve billing bounce bounces daemon donotreply hostmaster login mailer mailerdaemon noreply notice notices notification notifications notify password postmaster root security signin ssladmin suspension system unsubscribe verification verify webmaster'.split(
    ' ',
  )

/** Addresses that speak for the domain itself (RFC 2142), besides those above. An agent may have such a name, but not such an address. */
const ROLES =
  'compliance decide decision decisions dns fraud ftp help helpdesk info invitation invitations legal marketing news noc phishing privacy safety sales spam support trust usenet uucp www'.split(
    ' ',
  )

/** Words that change nothing of what a name claims. */
const FILLER =
  'a account by do email from mail my no not official reply service services team the via your'.split(' ')

/** An address that begins or ends with one of these looks like the service's, whatever else is in it. */
const AT_THE_EDGE =
  'approval approvals bounce bounces donotreply mailerdaemon noreply notification notifications postmaster verification verify'.split(
    ' ',
  )

/** Parts of a mail domain that name nobody. */
const GENERIC = ['agent', 'agents', 'email', 'mail', 'test']

/** Letters that look like Latin ones, in pairs: the letter, and the Latin letter it looks like. */
const LOOK_ALIKES = new Map(
  [
    'аaвbеeкkмmнhоoрpсcтtуyхxіiјjѕsԁdԛqԝwһhӏlѵvгrпnьbзeүyғfҫcәeөo',
    'ΑaΒbΕeΖzΗhΙiΚkΜmΝnΟoΡpΤtΥyΧx',
    'αaβbεeηnιiκkνvοoρpσoςsτtυuχxγyωwμuδdθoλlπnζz',
    'ıiłløođdßbɑaɡgɩiʟlᴍmᴏoᴛtᴘpꜱsɴnʀrɪiᴠvᴇeᴀaʙbᴄcᴅdɢgʜhᴊjᴋkᴜuᴡwʏyᴢzðdþpħhŧtƚlƭtɨiʋvɯwƨsƽs',
    'օoոnսuհhքpցgօoѡw',
    '|l!l¡l$s€e@a+t0o3e4a5s6b7t8b9g2z',
  ].flatMap((pairs) => {
    const letters = [...pairs]
    return letters.flatMap((letter, at): [string, string][] =>
      at % 2 === 0 ? [[letter, letters[at + 1] ?? '']] : [],
    )
  }),
)

/** Blocks of letters in frames, which Unicode does not fold. Each begins with A. */
const FRAMED = [0x1f130, 0x1f150, 0x1f170, 0x1f1e6]

/**
 * The letters of a text as they look: compatibility forms, case and accents folded, letters and digits of other kinds replaced
 * by the Latin letter they look like, separators and invisible characters left out. `i` and `l` are the same.
 */
function asItLooks(text: string): string {
  return [...text.normalize('NFKC').normalize('NFKD')]
    .map((given) => {
      const letter = LOOK_ALIKES.has(given) ? given : given.toLowerCase()
      const point = letter.codePointAt(0) ?? 0
      const block = FRAMED.find((start) => point >= start && point < start + 26)
      return block === undefined
        ? (LOOK_ALIKES.get(letter) ?? letter)
        : String.fromCodePoint(97 + point - block)
    })
    .join('')
    .replace(/[^a-z1]/g, '')
    .replace(/[i1]/g, 'l')
    .replaceAll('rn', 'm')
    .replaceAll('vv', 'w')
}

/** The ways in which a reader may take the digits of a text: as letters, as a number that says nothing, or as part of a mere code. */
function readings(text: string): string[] {
  const plain = text.normalize('NFKC')
  const words = plain.split(/[\s._-]+/)
  const without = [
    plain,
    plain.replace(/\p{N}/gu, ''),
    plain.replace(/^[\p{N}\P{L}]+|[\p{N}\P{L}]+$/gu, ''),
    words.filter((word) => !/\p{N}/u.test(word)).join(' '),
  ]
  return [...new Set(without.map(asItLooks))]
}

/** Whether a text consists of these words only. */
function consistsOf(text: string, words: string[], atLeastOne: string[]): boolean {
  // For each position: null if it cannot be reached, else whether a word that counts was read on the way.
  const reached: (boolean | null)[] = [false, ...Array.from(text, () => null)]
  for (let at = 0; at < text.length; at++) {
    const counts = reached[at]
    if (counts === null || counts === undefined) continue
    for (const word of words) {
      if (!text.startsWith(word, at)) continue
      const end = at + word.length
      reached[end] = reached[end] === true || counts || atLeastOne.includes(word)
    }
  }
  return reached[text.length] === true
}

const looks = (words: string[]) => words.map(asItLooks)

const SERVICE_LOOKS = looks(SERVICE)
const ROLE_LOOKS = looks(ROLES)
const FILLER_LOOKS = looks(FILLER)
const EDGE_LOOKS = looks(AT_THE_EDGE)
const GENERIC_LOOKS = looks(GENERIC)
/** An address that begins with one of these poses as the service, however its words are divided. */
const BEGINNING_LOOKS = looks(['noreply', 'donotreply', 'mailerdaemon', 'postmaster'])

/**
 * Whether a name or the local part of an address poses as the service: it contains the name of the product or the mail domain, or
 * it consists of words that only letters of the service bear, such as "approvals", "No-Reply" or "post-master 24". In an
 * address, roles such as "support" count, too, and an address may not begin or end with one of the service's own.
 */
export function posesAsService(text: string, kind: 'name' | 'address', mailDomain: string): boolean {
  const own = looks(mailDomain.split('.').slice(0, -1)).filter(
    (label) => label.length > 3 && !GENERIC_LOOKS.includes(label),
  )
  const counting = [...SERVICE_LOOKS, ...own, ...(kind === 'address' ? ROLE_LOOKS : [])]
  const contained = [asItLooks(PRODUCT), asItLooks(mailDomain)]
  const isService = (reading: string) =>
    contained.some((name) => reading.includes(name)) ||
    consistsOf(reading, [...counting, ...FILLER_LOOKS], counting)
  if (readings(text).some(isService)) return true
  if (kind === 'name') return false
  const parts = text.split(/[._-]+/).flatMap((part) => readings(part))
  const joined = readings(text)
  return (
    EDGE_LOOKS.some((word) => parts.at(0) === word || parts.at(-1) === word) ||
    BEGINNING_LOOKS.some((word) => joined.some((reading) => reading.startsWith(word)))
  )
}

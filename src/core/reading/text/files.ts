import { decodeWords } from 'postal-mime'

const MAX_NAME = 1_000
const MAX_ENTRIES = 20_000

/** The extensions that Gmail blocks, and those that we understand the MoltbotDen contract to block. */
const EXTENSIONS = new Set(
  'ade adp apk app appx appxbundle bat cab chm cmd com cpl diagcab diagcfg diagpack dll dmg ex ex_ exe hta img ins iso isp jar jnlp js jse lib lnk mde mjs msc msi msix msixbundle msp mst nsh pif ps1 psm1 reg scr sct sh shb sys vb vbe vbs vhd vxd wsc wsf wsh xll'.split(
    ' ',
  ),
)

const TYPES = new Set(
  [
    'bat',
    'dosexec',
    'ecmascript',
    'elf',
    'executable',
    'hta',
    'iso9660-image',
    'java-archive',
    'java-jnlp-file',
    'javascript',
    'jscript',
    'mach-binary',
    'mach-o-binary',
    'ms-application',
    'ms-installer',
    'ms-shortcut',
    'msdos-program',
    'msdownload',
    'msi',
    'pie-executable',
    'powershell',
    'sh',
    'sharedlib',
    'shellscript',
    'vbscript',
    'vnd.android.package-archive',
    'vnd.apple.diskimage',
    'apple-diskimage',
    'vnd.microsoft.portable-executable',
    'vnd.ms-cab-compressed',
    'vnd.ms-htmlhelp',
  ].flatMap((name) => [name, `x-${name}`]),
)

const BEGINNINGS: [what: string, bytes: number[]][] = [
  ['a Windows program', [0x4d, 0x5a]],
  ['an ELF program', [0x7f, 0x45, 0x4c, 0x46]],
  ['a Mach-O program', [0xfe, 0xed, 0xfa, 0xce]],
  ['a Mach-O program', [0xfe, 0xed, 0xfa, 0xcf]],
  ['a Mach-O program', [0xce, 0xfa, 0xed, 0xfe]],
  ['a Mach-O program', [0xcf, 0xfa, 0xed, 0xfe]],
  ['a Mach-O or Java program', [0xca, 0xfe, 0xba, 0xbe]],
  ['a script', [0x23, 0x21]],
  ['a script', [0xef, 0xbb, 0xbf, 0x23, 0x21]],
  ['a Windows shortcut', [0x4c, 0, 0, 0, 0x01, 0x14, 0x02, 0]],
  ['a cabinet', [0x4d, 0x53, 0x43, 0x46]],
]

/** The text after a dot. White space may come between them only at the end of a name: some programs remove it there. */
const EXTENSION = /\.(?:\s+(?=[a-z0-9_]+[\s.]*$))?([a-z0-9]+_?)(?![a-z0-9_])/g

/**
 * Why a file may not be sent, or null. Checks every extension in its name (decoded in the ways mail programs do), its
 * declared type, its first bytes, and the names in a ZIP archive, one level deep. Nothing is unpacked.
 */
export function blockedFile(file: {
  filename: string
  contentType?: string
  content?: Uint8Array
}): string | null {
  const byName = blockedName(file.filename)
  if (byName !== null) return byName
  const subtype = (file.contentType ?? '').split(';')[0]?.split('/')[1]?.trim().toLowerCase() ?? ''
  if (TYPES.has(subtype)) return `its type ${subtype} is a program`
  return file.content ? blockedContent(file.content) : null
}

/**
 * A safe name to store a file and offer it for download: one path segment of at most 150 characters, without control and
 * invisible characters, quotes and characters that file systems reserve. Keeps the extension. Calling it twice changes
 * nothing.
 */
export function safeFilename(name: string): string {
  const plain = visible(decodeWords(name.slice(0, MAX_NAME)).normalize('NFC').toWellFormed())
  const last = plain.split(/[/\\]/).findLast((part) => /[^.\s]/.test(part)) ?? ''
  const clean = trimmed(last.replace(/[<>:"|?*%;`'$&=]+/g, '_').replace(/\s+/g, ' '))
  const extension = /\.[^. ]{1,16}$/.exec(clean)?.[0] ?? ''
  const stem = trimmed(cut(clean.slice(0, clean.length - extension.length), 150 - extension.length))
  const whole = /^(?:con|prn|aux|nul|(?:com|lpt)[\d¹²³])(?:\.|$)/i.test(stem) ? `_${stem}` : stem
  return trimmed(whole + extension) || 'attachment'
}

function blockedName(name: string): string | null {
  if (name.length > MAX_NAME) return 'its name is too long'
  for (const spelling of spellings(name)) {
    const parts = spelling.split(/[/\\]/).map((part) => part.trim())
    const last = parts.findLast((part) => part !== '') ?? ''
    for (const [, extension = ''] of last.matchAll(EXTENSION)) {
      if (EXTENSIONS.has(extension)) return `its extension .${extension} is blocked`
    }
  }
  return null
}

/** The name in normal form: as given, and after decoding encoded words, percent escapes and HTML references up to 4 times. */
function spellings(name: string): Set<string> {
  const found = new Set<string>()
  let current = name
  for (let layer = 0; layer < 4; layer++) {
    found.add(folded(current))
    current = folded(unescaped(decodeWords(current.replace(/^[\w-]*'[\w-]*'(?=.*%)/, ''))))
  }
  found.add(current)
  return found
}

function unescaped(name: string): string {
  return name
    .replace(/%u([\da-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/(?:%[\da-f]{2})+/gi, (run) => {
      const bytes = Uint8Array.from(run.slice(1).split('%'), (hex) => Number.parseInt(hex, 16))
      return new TextDecoder().decode(bytes)
    })
    .replace(/&#x([\da-f]{1,6});?/gi, (_, hex: string) => character(Number.parseInt(hex, 16)))
    .replace(/&#(\d{1,7});?/g, (_, digits: string) => character(Number(digits)))
    .replace(/&period;/gi, '.')
}

function character(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : ''
}

function folded(name: string): string {
  return visible(name.normalize('NFKC')).replace(/。/g, '.').toLowerCase()
}

/** Removes control and invisible characters: zero-width marks, text direction marks, fillers, tags. */
function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2028\u2029]/gu, '')
}

function trimmed(name: string): string {
  return name.replace(/^[\s.]+|[\s.]+$/g, '')
}

function cut(text: string, length: number): string {
  const kept = text.slice(0, Math.max(1, length))
  return kept.isWellFormed() ? kept : kept.slice(0, -1)
}

function blockedContent(content: Uint8Array): string | null {
  for (const [what, bytes] of BEGINNINGS) {
    if (bytes.every((byte, at) => content[at] === byte)) return `its content is ${what}`
  }
  if (ascii(content, 0x8001, 5) === 'CD001') return 'its content is a disk image'
  return blockedEntry(content)
}

/** Checks the names in the central directory and in the header of each file: programs differ in which they use. */
function blockedEntry(content: Uint8Array): string | null {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength)
  const last = content.byteLength - 30
  let entries = 0
  for (let at = content.indexOf(0x50); at !== -1 && at <= last; at = content.indexOf(0x50, at + 1)) {
    const signature = view.getUint32(at, true)
    const isCentral = signature === 0x02014b50
    if (!isCentral && signature !== 0x04034b50) continue
    if (++entries > MAX_ENTRIES) return 'its archive lists too many files'
    if (isCentral && at + 46 > content.byteLength) continue
    const flags = view.getUint16(at + (isCentral ? 8 : 6), true)
    if (flags & 0x2000) return 'its archive hides the names of its files'
    const start = at + (isCentral ? 46 : 30)
    const length = view.getUint16(at + (isCentral ? 28 : 26), true)
    const extra = view.getUint16(at + (isCentral ? 30 : 28), true)
    for (const name of [
      utf8(content, start, length),
      ...unicodePaths(view, content, start + length, extra),
    ]) {
      const reason = blockedName(name)
      if (reason !== null) return `in its archive, ${safeFilename(name)}: ${reason}`
    }
  }
  return null
}

/** Names in Info-ZIP Unicode path fields, which replace the name of the entry. */
function* unicodePaths(view: DataView, content: Uint8Array, start: number, length: number) {
  const end = Math.min(start + length, content.byteLength)
  for (let at = start; at + 4 <= end; ) {
    const size = view.getUint16(at + 2, true)
    if (view.getUint16(at, true) === 0x7075 && size > 5) yield utf8(content, at + 9, size - 5)
    at += 4 + size
  }
}

function utf8(content: Uint8Array, start: number, length: number): string {
  return new TextDecoder().decode(content.subarray(start, start + length))
}

function ascii(content: Uint8Array, start: number, length: number): string {
  return String.fromCharCode(...content.subarray(start, start + length))
}

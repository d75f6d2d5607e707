/** Every character that some program shows as a line break: LF, VT, FF, CR, NEL, and the separators U+2028 and U+2029. */
const LINE_BREAK = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/u
const LINE_BREAKS = new RegExp(LINE_BREAK, 'gu')

/**
 * Characters that a reader does not see, or that change how others are shown: controls, direction marks, zero-width and
 * format characters, tags, variation selectors, fillers that look like nothing, lone surrogates, private use.
 */
const UNSEEN =
  /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\u{1d159}\ufffc]/u
const UNSEEN_ALL = new RegExp(UNSEEN, 'gu')

/** Joiners and variation selectors between characters that need them: emoji, and scripts whose letters join. */
const JOINED = new RegExp(
  [
    String.raw`(?<=\p{Emoji}|\ufe0f)(?:\ufe0e|\ufe0f)`,
    String.raw`(?<=\p{Extended_Pictographic}|\p{Emoji_Modifier}|\ufe0f)\u200d(?=\p{Extended_Pictographic})`,
    String.raw`(?<=${joiningScripts()}|\p{M})[\u200c\u200d](?=${joiningScripts()})`,
  ].join('|'),
  'gu',
)

/** Marks beyond this number on one letter would be drawn over the lines around it. */
const TOO_MANY_MARKS = /(?<=\p{M}{3})\p{M}/gu

/** The width of a quoted line in columns. Mail programs wrap lines that are longer, without the mark of a quotation. */
const COLUMNS = 72

/** A text in which every unseen character is named, as in `[U+202E]`. Tabs and line breaks are kept. */
export function visible(text: string): string {
  const kept = new Set([...text.matchAll(JOINED)].map(({ index }) => index))
  return text
    .replace(UNSEEN_ALL, (character, at: number) =>
      /[\t\n\r]/.test(character) || kept.has(at) ? character : named(character),
    )
    .replace(TOO_MANY_MARKS, named)
}

/** Whether a text has characters that a reader does not see, or that change how others are shown. */
export function hasUnseen(text: string): boolean {
  return visible(text) !== text
}

/**
 * A foreign text as a quotation: each line begins with `| `, whatever the text contains, and no line is longer than 72
 * columns. `|+ ` begins the continuation of a line that was too long. Unseen characters are named.
 */
export function quotation(text: string): string[] {
  return text
    .split(LINE_BREAKS)
    .flatMap((line) => wrapped(visible(line.replaceAll('\t', '    ')).replace(/\p{Zs}/gu, ' ')))
}

function wrapped(line: string): string[] {
  const lines: string[] = []
  let [piece, columns] = ['', 0]
  for (const letter of line) {
    const width = widthOf(letter)
    if (columns + width > COLUMNS) {
      lines.push(piece)
      piece = ''
      columns = 0
    }
    piece += letter
    columns += width
  }
  return [...lines, piece].map((each, at) => (at === 0 ? `| ${each}` : `|+ ${each}`).trimEnd())
}

/** Letters from Hangul on may take two columns. */
function widthOf(letter: string): number {
  return (letter.codePointAt(0) ?? 0) >= 0x1100 ? 2 : 1
}

const named = (character: string) =>
  `[U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}]`

function joiningScripts(): string {
  const scripts = ['Arabic', 'Devanagari', 'Bengali', 'Malayalam', 'Sinhala']
  return scripts.map((script) => `\\p{Script=${script}}`).join('|')
}

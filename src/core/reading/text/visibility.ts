/** What decides whether the text of an element can be seen. `how` says why it is hidden, or is null. */
export type Look = { how: string | null; color: string | null; background: string | null }

type Declarations = Map<string, string>

const NAMED = new Map([
  ['white', '#ffffff'],
  ['snow', '#fffafa'],
  ['ivory', '#fffff0'],
  ['ghostwhite', '#f8f8ff'],
  ['floralwhite', '#fffaf0'],
  ['whitesmoke', '#f5f5f5'],
  ['black', '#000000'],
  ['red', '#ff0000'],
  ['green', '#008000'],
  ['blue', '#0000ff'],
  ['navy', '#000080'],
  ['gray', '#808080'],
  ['grey', '#808080'],
])

const LOOKS = ['style', 'class', 'bgcolor', 'background', 'color', 'hidden']

/** The inline style of an element, and whether one of its classes hides it. */
function declarationsOf(attributes: Record<string, string>, classes: Map<string, string>): Declarations {
  const declared: Declarations = new Map()
  for (const piece of (attributes.style ?? '').slice(0, 4_000).split(';')) {
    const at = piece.indexOf(':')
    if (at === -1) continue
    const value = piece
      .slice(at + 1)
      .replace(/!\s*important/i, '')
      .trim()
    declared.set(piece.slice(0, at).trim().toLowerCase(), value.toLowerCase())
  }
  if (classes.size > 0) {
    for (const key of (attributes.class ?? '').slice(0, 1_000).split(/\s+/)) {
      const how = classes.get(key)
      if (how) declared.set('hidden by class', how)
    }
  }
  return declared
}

/** Classes that a style sheet hides on every screen. Media queries are ignored: they hide on some screens only. */
export function hiddenClasses(css: string): Map<string, string> {
  const found = new Map<string, string>()
  let depth = 0
  let start = 0
  let selector = ''
  for (const { 0: brace, index } of css.matchAll(/[{}]/g)) {
    if (brace === '{' && depth === 0) selector = css.slice(start, index).trim()
    if (brace === '}' && depth === 1 && !selector.startsWith('@')) {
      const how = hidingStyle(declarationsOf({ style: css.slice(start, index) }, new Map()))
      const name = /^\.([\w-]+)$/
      for (const each of how === null ? [] : selector.slice(0, 4_000).split(',')) {
        const key = name.exec(each.trim())?.[1]
        if (key) found.set(key, how ?? '')
      }
    }
    depth = Math.max(0, depth + (brace === '{' ? 1 : -1))
    start = index + 1
  }
  return found
}

/** The look of an element inside another. Children of hidden elements are hidden, and so is text in the background colour. */
export function hidingOf(
  attributes: Record<string, string>,
  classes: Map<string, string>,
  above: Look,
): Look {
  if (!LOOKS.some((name) => attributes[name] !== undefined)) return above
  const declared = declarationsOf(attributes, classes)
  const painted = declared.get('background-color') ?? declared.get('background') ?? attributes.bgcolor
  const background =
    attributes.background || declared.has('background-image')
      ? null
      : painted === undefined
        ? above.background
        : colorOf(painted)
  const inked = declared.get('color') ?? attributes.color
  const color = inked === undefined ? above.color : colorOf(inked)
  const how = above.how ?? (attributes.hidden !== undefined ? 'hidden attribute' : hidingStyle(declared))
  if (how !== null && how !== 'same colour as its ground') return { how, color, background }
  const isLost = color !== null && background !== null && isClose(color, background)
  return { how: isLost ? 'same colour as its ground' : null, color, background }
}

function hidingStyle(declared: Declarations): string | null {
  const get = (key: string) => declared.get(key) ?? ''
  const size = (key: string) => Number.parseFloat(get(key))
  const isClipped = get('overflow') === 'hidden'
  if (declared.has('hidden by class')) return get('hidden by class')
  if (get('display') === 'none') return 'display:none'
  if (/^(?:hidden|collapse)$/.test(get('visibility'))) return 'visibility:hidden'
  if (get('mso-hide') === 'all') return 'mso-hide:all'
  if (/^[\d.]+(?:px|pt|em|rem|%|vw)?$/.test(get('font-size')) && size('font-size') < tiny(get('font-size')))
    return 'font-size:0'
  if (size('opacity') < 0.06) return 'opacity:0'
  if (get('color') === 'transparent' || /^rgba\([^)]*,\s*0?\.?0+\s*\)$/.test(get('color')))
    return 'color:transparent'
  if (isClipped && ['max-height', 'height', 'max-width', 'width'].some((key) => size(key) < 1.5))
    return 'no room'
  if (['left', 'top', 'right', 'bottom', 'text-indent', 'margin-left'].some((key) => size(key) <= -400))
    return 'off-screen'
  if (/^rect\(\s*(?:0|1px)/.test(get('clip')) || /^(?:inset\((?:50|100)%|circle\(0)/.test(get('clip-path')))
    return 'clipped'
  if (/scale\(\s*0(?:\.0\d*)?\s*[,)]/.test(get('transform'))) return 'scale(0)'
  return null
}

function tiny(size: string): number {
  if (/em$/.test(size)) return 0.1
  if (/%$/.test(size)) return 10
  return 2
}

/** A colour as `#rrggbb`, or null if we do not know it. */
function colorOf(value: string): string | null {
  const text = value.trim().toLowerCase().slice(0, 200)
  const named = NAMED.get(text)
  if (named) return named
  const short = /^#([\da-f])([\da-f])([\da-f])$/.exec(text)
  if (short) return `#${short[1]}${short[1]}${short[2]}${short[2]}${short[3]}${short[3]}`
  if (/^#[\da-f]{6}$/.test(text)) return text
  const parts = /^rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})/.exec(text)?.slice(1)
  return parts ? `#${parts.map((part) => Number(part).toString(16).padStart(2, '0')).join('')}` : null
}

function isClose(one: string, other: string): boolean {
  const channels = (color: string) => [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16))
  const [a, b] = [channels(one), channels(other)]
  return a.every((value, at) => Math.abs(value - (b[at] ?? 0)) < 14)
}

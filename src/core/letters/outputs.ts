import type { Foreign } from './contexts.ts'

/**
 * The source of a template as HTML: each output is replaced by letters and each tag by spaces of the same length, so that places
 * stay the same. `outputs` are the outputs, each with its source as its name.
 */
export function outputsIn(source: string): { html: string; outputs: Foreign[] } {
  const outputs: Foreign[] = []
  let html = ''
  let read = 0
  while (read < source.length) {
    const start = nextOf(source, read)
    if (start < 0) break
    const isOutput = source.startsWith('{{', start)
    const close = source.indexOf(isOutput ? '}}' : '%}', start)
    const end = close < 0 ? source.length : close + 2
    html += source.slice(read, start) + (isOutput ? 'x' : ' ').repeat(end - start)
    const inside = source.slice(start, end)
    if (isOutput || /^\{%-?\s*(?:echo|cycle|increment|decrement)\b/.test(inside)) {
      outputs.push({ start, end, name: inside })
    }
    read = end
  }
  return { html: html + source.slice(read), outputs }
}

function nextOf(source: string, from: number): number {
  for (let at = source.indexOf('{', from); at >= 0; at = source.indexOf('{', at + 1)) {
    if (source[at + 1] === '{' || source[at + 1] === '%') return at
  }
  return -1
}

import { NOW, type Pages, type Wire } from './carrier-events.ts'

/** One report; if a vendor's own library accepts what we refuse, the reason. */
export type Row = { name: string; wire: Wire; libraryTakes?: string }

/** The reports of one carrier, and its answers to our questions. */
export type Table = { genuine: Row[]; forged: Row[]; pages: Pages }

const bytes = (text: string) => new TextEncoder().encode(text)
export const ahead = (ms: number) => new Date(NOW.getTime() + ms)
export const secondsAhead = (ms: number) => String(ahead(ms).getTime() / 1000)
export const MINUTE_MS = 60_000

export const withBody = (wire: Wire, body: Wire['body']): Wire => ({ ...wire, body })
export const withHeaders = (wire: Wire, headers: Record<string, string>): Wire => ({
  ...wire,
  headers: { ...wire.headers, ...headers },
})
export function without(wire: Wire, name: string): Wire {
  const { [name]: _, ...headers } = wire.headers
  return { ...wire, headers }
}
export const textOf = ({ body }: Wire) => (typeof body === 'string' ? body : new TextDecoder().decode(body))
/** JSON with repeated keys: first the values of `wire`, then those of `more`, which a parser takes. */
export const twice = (wire: Wire, more: string) => withBody(wire, textOf(wire).replace(/\}$/, `,${more}}`))
/** Bytes that are not UTF-8; a lenient reader sees U+FFFD. */
export function spoiled(wire: Wire): Wire {
  const [before = '', after = ''] = textOf(wire).split('\ufffd')
  return withBody(wire, Uint8Array.of(...bytes(before), 0xff, ...bytes(after)))
}

import { readHtml } from './reading.ts'

/** Read at most, of each body, in characters. */
const MAX_BODY = 1_048_576

/** A scheme and the beginning of a host, or a `www.` that mail programs make a link of. */
const IN_TEXT = /\bhttps?:\/\/(?=[^\s/])|(?<![\w./@-])www\.(?=[\p{L}\d])/giu
/** Browsers read `\` as `/`, and an address without a scheme takes that of its page. */
const IN_ATTRIBUTE = /^(?:https?:)?[/\\]{2}[^/\\]/i

/**
 * How many URLs a message carries: occurrences, not different ones, and those of the body that has more, since one link
 * stands in both. In HTML each link and each remote source counts, and each bare URL outside a link.
 */
export function countUrls(text: string | null, html: string | null): number {
  return Math.max(inText(text ?? ''), inHtml(html ?? ''))
}

function inText(text: string): number {
  return text.slice(0, MAX_BODY).match(IN_TEXT)?.length ?? 0
}

function inHtml(html: string): number {
  const { links, sources, unlinked, isWhole } = readHtml(html.slice(0, MAX_BODY))
  if (!isWhole) return inText(html)
  const addresses = [...links.map((link) => link.href), ...sources]
  const written = addresses.map((address) => address.replace(/[\s\p{Cc}]/gu, ''))
  return written.filter((address) => IN_ATTRIBUTE.test(address)).length + inText(unlinked)
}

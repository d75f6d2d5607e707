import { readHtml } from './reading.ts'

/** How much of each body is read, in characters. */
const MAX_BODY = 1_048_576

/** A scheme and the start of a host, or a `www.` that mail programs turn into a link. */
const IN_TEXT = /\bhttps?:\/\/(?=[^\s/])|(?<![\w./@-])www\.(?=[\p{L}\d])/giu
/** Browsers read `\` as `/`, and a URL without a scheme takes the scheme of the page. */
const IN_ATTRIBUTE = /^(?:https?:)?[/\\]{2}[^/\\]/i

/**
 * Counts the URLs in a message, repeated ones included. Text and HTML usually hold the same links, so the larger of the two
 * counts is returned. In HTML, each link, each remote source and each bare URL outside a link counts.
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

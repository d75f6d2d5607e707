import { textOfHtml } from '../reading/text/html.ts'

const LETTERS = 200
/** How much of a text and of HTML is read for a preview, in characters. */
export const TEXT_READ = 1_000
export const HTML_READ = 20_000

/** The beginning of a message's text on one line, without quoted text: at most 200 characters. */
export function previewOf(message: {
  text: string | null
  html: string | null
  replyText: string | null
}): string {
  const { text, html, replyText } = message
  const said = (replyText || text)?.slice(0, TEXT_READ) ?? textOfHtml((html ?? '').slice(0, HTML_READ))
  return [...said.replace(/\s+/g, ' ').trim()].slice(0, LETTERS).join('').trimEnd().toWellFormed()
}

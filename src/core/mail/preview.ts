import { textOfHtml } from '../reading/text/html.ts'

const LETTERS = 200
/** How much of a text and of its markup is looked at, in characters. */
export const TEXT_READ = 1_000
export const HTML_READ = 20_000

/** The beginning of what a message says, on one line: 200 characters at most, without what it quotes. */
export function previewOf(message: {
  text: string | null
  html: string | null
  replyText: string | null
}): string {
  const { text, html, replyText } = message
  const said = (replyText || text)?.slice(0, TEXT_READ) ?? textOfHtml((html ?? '').slice(0, HTML_READ))
  return [...said.replace(/\s+/g, ' ').trim()].slice(0, LETTERS).join('').trimEnd().toWellFormed()
}

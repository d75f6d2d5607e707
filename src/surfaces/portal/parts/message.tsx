import { type BoundFile, boundFiles, fieldsBeside } from '../../../core/letters/bound.ts'
import type { Rendered } from '../../../core/letters/rendered.ts'
import { textOfHtml } from '../../../core/reading/text/html.ts'
import { hasUnseen, visible } from '../../../core/reading/text/visible.ts'
import type { PortalContext } from '../context.ts'
import { sandboxed } from '../headers.ts'
import { Facts, Table } from './table.tsx'

/** A message and the files in its bytes, as a person must see it before they decide. */
type Reviewed = { rendered: Rendered; files: BoundFile[] }

/** The message with the files that its bytes contain. */
export async function reviewed(rendered: Rendered): Promise<Reviewed> {
  return { rendered, files: await boundFiles(rendered) }
}

/**
 * All of a message: as its recipient will see it, in a frame that runs and loads nothing, with every recipient, header field
 * and file. What a reader would not see is named. The frame's content lies at `path`/message, each file at `path`/files/(hash).
 */
export function MessageView({ of: { rendered, files }, path }: { of: Reviewed; path: string }) {
  const named = (parties: Rendered['to']) =>
    parties.map(({ email, name }) => visible(name ? `${name} <${email}>` : email)).join(', ')
  const { text, html } = rendered
  const isHiding = hasUnseen(text ?? '') || (html !== null && hasUnseen(textOfHtml(html)))
  return (
    <>
      <Facts
        facts={[
          ['From', named([rendered.from])],
          ['To', named(rendered.to)],
          ['Cc', named(rendered.cc)],
          ['Bcc', named(rendered.bcc)],
          ['Replies go to', rendered.replyTo && named([rendered.replyTo])],
          ['Subject', <strong>{visible(rendered.subject)}</strong>],
          ...fieldsBeside(rendered).map(([name, value]): [string, string] => [name, visible(value)]),
        ]}
      />
      {files.length === 0 ? null : <Files files={files} path={path} />}
      {isHiding ? (
        <p class="note">
          This message has characters that a reader does not see, or that change the direction of its text. In
          the text below each is named, as in [U+202E].
        </p>
      ) : null}
      <iframe
        class="mail"
        title="The message as its recipient will see it"
        sandbox=""
        src={`${path}/message`}
      />
      {html === null ? null : (
        <details open={isHiding}>
          <summary>The text part, for mail programs without HTML</summary>
          <pre>{visible(text ?? '')}</pre>
        </details>
      )}
      <p class="soft">
        Pictures from other sites are not loaded here. SHA-256 <code>{rendered.sha256.slice(0, 16)}…</code>
      </p>
    </>
  )
}

function Files({ files, path }: { files: BoundFile[]; path: string }) {
  return (
    <Table
      caption="Files"
      head={['File', 'Type', 'Size', 'SHA-256']}
      rows={files.map((file) => [
        <>
          <a href={`${path}/files/${file.sha256}`}>{visible(file.filename)}</a>
          {file.isInline ? ' (shown in the HTML)' : ''}
        </>,
        file.contentType,
        `${file.size} bytes`,
        <code class="long">{file.sha256}</code>,
      ])}
    />
  )
}

/** One file of a message, named by its hash, as a download that no browser runs or shows; null if there is no such file. */
export async function fileAnswer(c: PortalContext, rendered: Rendered | null, sha256: string) {
  const file = rendered && (await boundFiles(rendered)).find((each) => each.sha256 === sha256)
  if (!file) return null
  c.header('Content-Security-Policy', "sandbox; default-src 'none'; frame-ancestors 'none'")
  c.header('X-Content-Type-Options', 'nosniff')
  c.header(
    'Content-Disposition',
    `attachment; filename*=UTF-8''${encodeURIComponent(visible(file.filename))}`,
  )
  return c.body(Uint8Array.from(file.content), 200, { 'content-type': 'application/octet-stream' })
}

/** The content of the frame. */
export function messageFrame(c: PortalContext, rendered: Rendered | null) {
  if (!rendered)
    return sandboxed(c, '<!DOCTYPE html><title>Message</title><p>The message is being written.</p>')
  if (rendered.html !== null) return sandboxed(c, rendered.html)
  return textFrame(c, rendered.text ?? '')
}

/** A text as the content of a frame, shown as a mail program shows it. */
export function textFrame(c: PortalContext, text: string) {
  const escaped = visible(text).replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)
  return sandboxed(
    c,
    `<!DOCTYPE html><html lang="en"><title>Message</title><pre style="white-space:pre-wrap;overflow-wrap:anywhere;font:16px/1.5 system-ui,sans-serif;margin:1rem">${escaped}</pre></html>`,
  )
}

import type { Rendered } from '../../../core/letters/rendered.ts'
import type { PortalContext } from '../context.ts'
import { sandboxed } from '../headers.ts'
import { Facts } from './table.tsx'

/** A message as its recipient will see it, in a frame that runs and loads nothing; `path` serves the frame's content. */
export function MessageView({ rendered, path }: { rendered: Rendered; path: string }) {
  const named = (parties: Rendered['to']) =>
    parties.map(({ email, name }) => (name ? `${name} <${email}>` : email)).join(', ')
  return (
    <>
      <Facts
        facts={[
          ['From', named([rendered.from])],
          ['To', named(rendered.to)],
          ['Cc', named(rendered.cc)],
          ['Bcc', named(rendered.bcc)],
          ['Replies go to', rendered.replyTo && named([rendered.replyTo])],
          ['Subject', <strong>{rendered.subject}</strong>],
          ['Files', (rendered.files ?? []).map(({ filename }) => filename).join(', ')],
        ]}
      />
      <iframe class="mail" title="The message as its recipient will see it" sandbox="" src={path} />
      {rendered.html === null ? null : (
        <details>
          <summary>The text part, for mail programs without HTML</summary>
          <pre>{rendered.text}</pre>
        </details>
      )}
      <p class="soft">
        Pictures from other sites are not loaded here. SHA-256 <code>{rendered.sha256.slice(0, 16)}…</code>
      </p>
    </>
  )
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
  const escaped = text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)
  return sandboxed(
    c,
    `<!DOCTYPE html><html lang="en"><title>Message</title><pre style="white-space:pre-wrap;overflow-wrap:anywhere;font:16px/1.5 system-ui,sans-serif;margin:1rem">${escaped}</pre></html>`,
  )
}

import type { Rendered } from '../../../core/letters/rendered.ts'
import { foreign, type PortalContext } from '../session.ts'

/** The message as its recipient will see it, in a frame that runs and loads nothing; `path` serves its inside. */
export function MessageView({ rendered, path }: { rendered: Rendered; path: string }) {
  const named = (parties: Rendered['to']) =>
    parties.map(({ email, name }) => (name ? `${name} <${email}>` : email)).join(', ')
  return (
    <>
      <dl class="facts">
        <dt>From</dt>
        <dd>{named([rendered.from])}</dd>
        <dt>To</dt>
        <dd>{named(rendered.to)}</dd>
        {rendered.cc.length > 0 ? (
          <>
            <dt>Cc</dt>
            <dd>{named(rendered.cc)}</dd>
          </>
        ) : null}
        {rendered.bcc.length > 0 ? (
          <>
            <dt>Bcc</dt>
            <dd>{named(rendered.bcc)}</dd>
          </>
        ) : null}
        {rendered.replyTo ? (
          <>
            <dt>Answers go to</dt>
            <dd>{named([rendered.replyTo])}</dd>
          </>
        ) : null}
        <dt>Subject</dt>
        <dd>
          <strong>{rendered.subject}</strong>
        </dd>
        {(rendered.files ?? []).length > 0 ? (
          <>
            <dt>Files</dt>
            <dd>{(rendered.files ?? []).map(({ filename }) => filename).join(', ')}</dd>
          </>
        ) : null}
      </dl>
      <iframe class="mail" title="The message as its recipient will see it" sandbox="" src={path} />
      {rendered.html === null ? null : (
        <details>
          <summary>Its text, for readers without HTML</summary>
          <pre>{rendered.text}</pre>
        </details>
      )}
      <p class="soft">
        Pictures from elsewhere are not loaded here. SHA-256 <code>{rendered.sha256.slice(0, 16)}…</code>
      </p>
    </>
  )
}

/** The inside of the frame. */
export function messageFrame(c: PortalContext, rendered: Rendered | null) {
  if (!rendered)
    return foreign(c, '<!DOCTYPE html><title>Message</title><p>The message is being written.</p>')
  if (rendered.html !== null) return foreign(c, rendered.html)
  return plainFrame(c, rendered.text ?? '')
}

/** A text in a frame, as a mail program shows it. */
export function plainFrame(c: PortalContext, text: string) {
  const escaped = text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`)
  return foreign(
    c,
    `<!DOCTYPE html><html lang="en"><title>Message</title><pre style="white-space:pre-wrap;overflow-wrap:anywhere;font:16px/1.5 system-ui,sans-serif;margin:1rem">${escaped}</pre></html>`,
  )
}

import { showsSecret } from '../../http.ts'
import type { PortalContext } from '../session.ts'
import { page } from '../shell.tsx'
import { Copy } from './parts.tsx'

type Shown = {
  title: string
  secret: string
  /** What it is, as in "the password". */
  what: string
  note: string
  /** What stands below it. */
  more?: unknown
  /** Where whoever has copied it goes on. */
  back: string
}

/** Answers with a secret, this once: whoever submits the same form again is told so instead. */
export async function secretPage(c: PortalContext, { title, secret, what, note, more, back }: Shown) {
  showsSecret(c)
  return await page(
    c,
    title,
    <>
      <p class="note">{note}</p>
      <p class="secret">{secret}</p>
      {more}
      <div class="actions">
        <Copy text={secret} what={what} />
        <a class="button" href={back}>
          I have copied it
        </a>
      </div>
    </>,
  )
}

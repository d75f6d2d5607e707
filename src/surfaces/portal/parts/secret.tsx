import { showsSecret } from '../../http.ts'
import type { PortalContext } from '../context.ts'
import { page } from '../shell.tsx'
import { Copy } from './text.tsx'

type Shown = {
  title: string
  secret: string
  /** What it is, as in "the password". */
  what: string
  note: string
  /** Content below the secret. */
  more?: unknown
  /** Where the button after copying leads. */
  back: string
}

/** Shows a secret, only this once. If the same form is sent again, the answer says that the secret was shown before. */
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

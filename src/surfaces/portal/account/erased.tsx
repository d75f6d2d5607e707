import { Hono } from 'hono'
import { findErasure } from '../../../core/governance/compliance/request.ts'
import { RESIDUE } from '../../../core/governance/compliance/tables.ts'
import { showsSecret } from '../../http.ts'
import type { Portal, PortalContext } from '../context.ts'
import { posted } from '../forms/posted.ts'
import { Field } from '../parts/fields.tsx'
import { Form, Submit } from '../parts/forms.tsx'
import { asked } from '../parts/list.tsx'
import { Facts } from '../parts/table.tsx'
import { Copy, Id, Time } from '../parts/text.tsx'
import { endSession } from '../session.ts'
import { page } from '../shell.tsx'

/** The progress of an erasure. It needs the token of the erasure and no session, as by then nobody can sign in any more. */
export const erased = new Hono<Portal>()

erased.get('/erased', askPage)

erased.post('/erased', async (c) => {
  return await posted(c, {
    async act({ id, token }) {
      return await progressPage(c, await findErasure(c.env, id?.trim() ?? '', token?.trim() || null))
    },
    again: () => askPage(c),
    mended: ['not_found'],
    field: 'token',
  })
})

async function askPage(c: PortalContext) {
  return await page(
    c,
    'Progress of an erasure',
    <Form c={c} action="/portal/erased">
      <Field
        c={c}
        label="Number"
        name="id"
        value={asked(c, 'id')}
        attributes={{ required: true, maxlength: 100 }}
      />
      <Field
        c={c}
        label="Token"
        name="token"
        isSecret
        hint="It was shown when the erasure was requested."
        attributes={{ required: true, maxlength: 200, autocomplete: 'off' }}
      />
      <Submit>Show the progress</Submit>
    </Form>,
  )
}

async function progressPage(c: PortalContext, erasure: Awaited<ReturnType<typeof findErasure>>) {
  const { startedAt, completedAt, rowsErased, objectsErased } = erasure
  return await page(
    c,
    completedAt ? 'The account is erased' : 'The account is being erased',
    <>
      <Facts
        facts={[
          ['Requested', <Time at={startedAt} />],
          ['Completed', completedAt ? <Time at={completedAt} /> : 'not yet'],
          ['Erased so far', `${rowsErased} rows and ${objectsErased} files`],
        ]}
      />
      <h2>What is kept</h2>
      <Residue />
    </>,
  )
}

/** Answers a person who has just requested an erasure, and signs that person out. */
export async function erasingPage(c: PortalContext, { id, token }: { id: string; token: string }) {
  showsSecret(c)
  endSession(c)
  c.set('person', undefined)
  return await page(
    c,
    'The account is being erased',
    <>
      <p>
        All keys and sessions have ended, and nothing is sent any more. Erasing the rest takes some minutes.
        With this number and this token you can follow the progress, and prove the erasure later. The token is
        shown only once.
      </p>
      <Facts facts={[['Number', <Id>{id}</Id>]]} />
      <p class="secret">{token}</p>
      <div class="actions">
        <Copy text={token} what="the token" />
        <a class="button" href={`/portal/erased?id=${id}`}>
          Show the progress
        </a>
      </div>
    </>,
  )
}

/** What an erasure does not delete, and why. */
export const Residue = () => <Facts facts={RESIDUE.map(({ what, why }) => [what, why])} />

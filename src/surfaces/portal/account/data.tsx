import { Hono } from 'hono'
import {
  type Archive,
  downloadLink,
  getArchive,
  listArchives,
  requestArchive,
} from '../../../core/governance/compliance/exports.ts'
import { findErasure, requestErasure } from '../../../core/governance/compliance/request.ts'
import { RESIDUE } from '../../../core/governance/compliance/tables.ts'
import { may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { showsSecret } from '../../http.ts'
import { posted } from '../forms/posted.ts'
import { asked, Badge, Copy, Field, Form, Id, Listing, minuteOf, pageOf, Time } from '../parts/parts.tsx'
import { done, endSession, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

/** What a person writes who means it. */
const MEANT = 'DELETE'

/** All that the account holds: to be had as a file, or to be erased. */
export const data = new Hono<Portal>()

data.get('/data', dataPage)

data.post('/data/exports', async (c) => {
  await requestArchive(c.var.ctx)
  return done(c, '/portal/data', 'The export is being made. It stands here as soon as it is ready.')
})

/** The link is made when it is followed, so that it stands on no page and in no history of one. */
data.get('/data/exports/:exportId/download', async (c) => {
  const archive = await getArchive(c.var.ctx, c.req.param('exportId'))
  const link = downloadLink(c.env, c.get('now'), archive)
  if (!link) throw new Fault('expired', 'This export cannot be downloaded (any more). Ask for another.')
  return c.redirect(link.url, 303)
})

data.post('/data/erasure', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await posted(c, {
    async act({ confirm }) {
      if (confirm?.trim() !== MEANT) {
        const message = `Write ${MEANT}, in capital letters, if you mean it.`
        throw new Fault('invalid', message, { field: 'confirm' })
      }
      return await erasingPage(c, await requestErasure(c.var.ctx))
    },
    again: () => dataPage(c),
  })
})

/** Whoever has ordered it is signed in no more. */
async function erasingPage(c: PortalContext, { id, token }: { id: string; token: string }) {
  showsSecret(c)
  endSession(c)
  c.set('person', undefined)
  return await page(
    c,
    'The account is being erased',
    <>
      <p>
        All keys and sessions have ended, and nothing leaves any more. Erasing the rest takes some minutes.
        With this number and this token you can see how far it is, and prove it later; the token is shown this
        once.
      </p>
      <dl class="facts">
        <dt>Number</dt>
        <dd>
          <Id>{id}</Id>
        </dd>
      </dl>
      <p class="secret">{token}</p>
      <div class="actions">
        <Copy text={token} what="the token" />
        <a class="button" href={`/portal/erased?id=${id}`}>
          See how far it is
        </a>
      </div>
    </>,
  )
}

async function dataPage(c: PortalContext) {
  const { ctx } = c.var
  if (!may(ctx, 'manage')) {
    return await page(
      c,
      'Export and delete',
      <p class="note">Only an owner exports or deletes the account.</p>,
    )
  }
  const found = await pageOf(
    c,
    ({ before = null, limit }) => listArchives(ctx, { before, limit }),
    ({ id }) => id,
  )
  return await page(
    c,
    'Export and delete',
    <>
      <h2>Export</h2>
      <p>
        All that the account holds, in one ZIP archive: every table as lines of JSON, and all mail as .eml. It
        is kept for seven days.
      </p>
      <div id="exports" data-live="export">
        <Listing
          c={c}
          of={found}
          caption="Exports"
          head={['Asked for', 'State', 'Files', 'Size', 'Kept until', '']}
          row={(archive) => cellsOf(archive, c.get('now'))}
        >
          Nothing has been exported yet.
        </Listing>
      </div>
      <Form c={c} action="/portal/data/exports">
        <button type="submit">Make an export</button>
      </Form>
      <h2>Delete the account</h2>
      <p>
        Every agent, all mail and all settings are erased, for everybody in this account, and nobody can bring
        them back. Make an export first if you may need any of it. A plan that is paid for ends at once, and a
        bond that is held is let go.
      </p>
      <h3>What will be left</h3>
      <Residue />
      <Form c={c} action="/portal/data/erasure" class="card">
        <Field
          c={c}
          label={`Write ${MEANT} to confirm`}
          name="confirm"
          attributes={{ required: true, maxlength: 20, autocomplete: 'off', spellcheck: 'false' }}
        />
        <div class="actions">
          <button class="danger" type="submit" data-confirm="Erase this account and all that it holds?">
            Erase everything
          </button>
        </div>
      </Form>
    </>,
  )
}

function cellsOf({ id, state, files, size, createdAt, expiresAt }: Archive, now: Date) {
  const isThere = state === 'ready' && expiresAt !== null && expiresAt > now
  return [
    <Time at={createdAt} />,
    <Badge state={state} tone={TONE[state]} />,
    files,
    sized(size),
    expiresAt ? <Time at={expiresAt} /> : '',
    isThere ? (
      <a class="button small" href={`/portal/data/exports/${id}/download`}>
        Download <span class="visually-hidden">the export of {minuteOf(createdAt)}</span>
      </a>
    ) : null,
  ]
}

function Residue() {
  return (
    <dl class="facts">
      {RESIDUE.map(({ what, why }) => (
        <>
          <dt>{what}</dt>
          <dd>{why}</dd>
        </>
      ))}
    </dl>
  )
}

const TONE = { queued: 'calm', running: 'calm', ready: 'good', failed: 'bad', expired: '' } as const

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB']

function sized(bytes: number): string {
  const power = bytes < 1_024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${power === 0 ? bytes : (bytes / 1_024 ** power).toFixed(1)} ${UNITS[power]}`
}

/** Open to whoever holds the token of an erasure: by then nobody can sign in any more. */
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

async function progressPage(c: PortalContext, erasure: Awaited<ReturnType<typeof findErasure>>) {
  const { startedAt, completedAt, rowsErased, objectsErased } = erasure
  return await page(
    c,
    completedAt ? 'The account is erased' : 'The account is being erased',
    <>
      <dl class="facts">
        <dt>Ordered</dt>
        <dd>
          <Time at={startedAt} />
        </dd>
        <dt>Complete</dt>
        <dd>{completedAt ? <Time at={completedAt} /> : 'not yet'}</dd>
        <dt>Erased so far</dt>
        <dd>
          {rowsErased} rows and {objectsErased} files
        </dd>
      </dl>
      <h2>What is left</h2>
      <Residue />
    </>,
  )
}

async function askPage(c: PortalContext) {
  return await page(
    c,
    'How far an erasure is',
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
        hint="It was shown when the erasure was ordered."
        attributes={{ required: true, maxlength: 200, autocomplete: 'off' }}
      />
      <div class="actions">
        <button class="primary" type="submit">
          Look
        </button>
      </div>
    </Form>,
  )
}

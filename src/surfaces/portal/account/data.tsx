import { Hono } from 'hono'
import {
  type Archive,
  downloadLink,
  getArchive,
  listArchives,
  requestArchive,
} from '../../../core/governance/compliance/exports.ts'
import { requestErasure } from '../../../core/governance/compliance/request.ts'
import { may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { posted } from '../forms/posted.ts'
import { Field } from '../parts/fields.tsx'
import { ButtonForm, Form } from '../parts/forms.tsx'
import { Listing, type Paged, pageById } from '../parts/list.tsx'
import { Badge, minuteOf, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'
import { erasingPage, Residue } from './erased.tsx'

/** What a person types to confirm an erasure. */
const CONFIRMATION = 'DELETE'

const TONE = { queued: 'calm', running: 'calm', ready: 'good', failed: 'bad', expired: '' } as const

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB']

/** Exporting the account's data, and erasing the account. */
export const data = new Hono<Portal>()

data.get('/data', dataPage)

data.post('/data/exports', async (c) => {
  await requestArchive(c.var.ctx)
  return done(c, '/portal/data', 'The export is being made. It appears here as soon as it is ready.')
})

/** The download link is made only when it is followed, so that no page and no browser history contains it. */
data.get('/data/exports/:exportId/download', async (c) => {
  const archive = await getArchive(c.var.ctx, c.req.param('exportId'))
  const link = downloadLink(c.env, c.get('now'), archive)
  if (!link) {
    const message = 'This export is not ready, has failed or has expired. Make a new export.'
    throw new Fault('expired', message)
  }
  return c.redirect(link.url, 303)
})

data.post('/data/erasure', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await posted(c, {
    async act({ confirm }) {
      if (confirm?.trim() !== CONFIRMATION) {
        const message = `To confirm, type ${CONFIRMATION} in capital letters.`
        throw new Fault('invalid', message, { field: 'confirm' })
      }
      return await erasingPage(c, await requestErasure(c.var.ctx))
    },
    again: () => dataPage(c),
  })
})

async function dataPage(c: PortalContext) {
  const { ctx } = c.var
  if (!may(ctx, 'manage')) {
    const note = <p class="note">Only an owner can export or delete the account.</p>
    return await page(c, 'Export and delete', note)
  }
  const found = await pageById(c, ({ before = null, limit }) => listArchives(ctx, { before, limit }))
  return await page(
    c,
    'Export and delete',
    <>
      <h2>Export</h2>
      <p>
        Everything in the account as one ZIP file: each table as lines of JSON, and all mail as .eml files.
        The file is kept for seven days.
      </p>
      <Exports c={c} found={found} />
      <ButtonForm c={c} action="/portal/data/exports">
        Make an export
      </ButtonForm>
      <h2>Delete the account</h2>
      <p>
        This erases every agent, all mail and all settings, for everybody in this account. It cannot be
        undone. Make an export first if you may need any of it. A paid plan ends at once, and a posted bond is
        released.
      </p>
      <h3>What is kept</h3>
      <Residue />
      <Form c={c} action="/portal/data/erasure" class="card">
        <Field
          c={c}
          label={`Type ${CONFIRMATION} to confirm`}
          name="confirm"
          attributes={{ required: true, maxlength: 20, autocomplete: 'off', spellcheck: 'false' }}
        />
        <div class="actions">
          <button class="danger" type="submit" data-confirm="Erase this account and everything in it?">
            Erase everything
          </button>
        </div>
      </Form>
    </>,
  )
}

function Exports({ c, found }: { c: PortalContext; found: Paged<Archive> }) {
  return (
    <div id="exports" data-live="export">
      <Listing
        c={c}
        of={found}
        caption="Exports"
        head={['Requested', 'State', 'Files', 'Size', 'Kept until', '']}
        row={(archive) => cellsOf(archive, c.get('now'))}
      >
        Nothing has been exported yet.
      </Listing>
    </div>
  )
}

function cellsOf({ id, state, files, size, createdAt, expiresAt }: Archive, now: Date) {
  const isThere = state === 'ready' && expiresAt !== null && expiresAt > now
  return [
    <Time at={createdAt} />,
    <Badge state={state} tone={TONE[state]} />,
    files,
    sizeInWords(size),
    expiresAt ? <Time at={expiresAt} /> : '',
    isThere ? (
      <a class="button small" href={`/portal/data/exports/${id}/download`}>
        Download <span class="visually-hidden">the export of {minuteOf(createdAt)}</span>
      </a>
    ) : null,
  ]
}

function sizeInWords(bytes: number): string {
  const power = bytes < 1_024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10))
  return `${power === 0 ? bytes : (bytes / 1_024 ** power).toFixed(1)} ${UNITS[power]}`
}

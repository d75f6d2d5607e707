import { Hono } from 'hono'
import { type Consent, listConsents, recordConsent } from '../../../core/contacts/consents.ts'
import { may } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { csvFile } from '../forms/csv.ts'
import { Import, takeIn } from '../forms/import.tsx'
import { posted } from '../forms/posted.ts'
import { Badge, Field, Form, Listing, pageOf, Time } from '../parts/parts.tsx'
import { done, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

const BASES: Consent['basis'][] = [
  'explicit_opt_in',
  'legitimate_interest',
  'contractual',
  'legal_obligation',
]

/** Who has agreed to be written to; as a file too. */
export const consents = new Hono<Portal>()

consents.get('/consents', consentsPage)

consents.get('/consents.csv', async (c) => {
  return await csvFile(c, 'consents', {
    head: ['email', 'basis', 'source', 'jurisdiction', 'granted_at', 'revoked_at'],
    list: ({ before: after, limit }) => listConsents(c.var.ctx, { after, limit }),
    idOf: ({ contact }) => contact,
    cells: (row) => [row.email, row.basis, row.source, row.jurisdiction, row.grantedAt, row.revokedAt],
  })
})

consents.post('/consents', async (c) => {
  return await posted(c, {
    async act({ email = '', basis, source, revoked }) {
      const revokedAt = revoked === 'on' ? c.get('now') : null
      await recordConsent(c.var.ctx, {
        ...consent(email, basis),
        source: source?.trim() || 'portal',
        revokedAt,
        grantedAt: null,
      })
      return done(c, '/portal/consents', 'It is on record.')
    },
    again: () => consentsPage(c),
  })
})

consents.post('/consents/import', async (c) => {
  return await posted(c, {
    async act() {
      const count = await takeIn(c, ({ email = '', basis, source, granted_at, revoked_at }) =>
        recordConsent(c.var.ctx, {
          ...consent(email, basis),
          source: source || 'import',
          grantedAt: moment(granted_at),
          revokedAt: moment(revoked_at),
        }),
      )
      return done(c, '/portal/consents', `${count} records are in.`)
    },
    again: () => consentsPage(c),
  })
})

const consent = (email: string, basis: string | undefined) => ({
  email,
  basis: BASES.find((each) => each === basis) ?? ('explicit_opt_in' as const),
  jurisdiction: null,
})

function moment(text: string | undefined): Date | null {
  if (!text) return null
  const at = new Date(text)
  if (!Number.isNaN(at.getTime())) return at
  throw new Fault('invalid', `"${text.slice(0, 40)}" is no time: write 2026-01-31T09:00:00Z.`, {
    field: 'file',
  })
}

async function consentsPage(c: PortalContext) {
  const found = await pageOf(
    c,
    ({ before: after, limit }) => listConsents(c.var.ctx, { after, limit }),
    ({ contact }) => contact,
    { further: 'Next page' },
  )
  return await page(
    c,
    'Consent',
    <>
      <p class="lead">
        What contacts have agreed to. <a href="/portal/consents.csv">Export as CSV</a>
      </p>
      <Listing
        c={c}
        of={found}
        caption="Consent"
        head={['Address', 'State', 'Basis', 'From', 'Granted', 'Revoked']}
        row={(row) => [
          row.email,
          <Badge state={row.revokedAt ? 'revoked' : 'granted'} />,
          row.basis.replaceAll('_', ' '),
          row.source ?? '',
          <Time at={row.grantedAt} />,
          row.revokedAt ? <Time at={row.revokedAt} /> : '',
        ]}
      >
        No consent is on record.
      </Listing>
      {may(c.var.ctx, 'manage') ? (
        <>
          <Form c={c} action="/portal/consents" class="card">
            <h2>Record a consent</h2>
            <Field
              c={c}
              label="Address"
              name="email"
              alias={['recipientEmail']}
              attributes={{ type: 'email', required: true }}
            />
            <Field
              c={c}
              label="Basis"
              name="basis"
              options={BASES.map((each): [string, string] => [each, each.replaceAll('_', ' ')])}
            />
            <Field c={c} label="Where it was given" name="source" attributes={{ maxlength: 200 }} />
            <label class="tick">
              <input type="checkbox" name="revoked" checked={c.get('given')?.revoked === 'on'} />
              It is revoked
            </label>
            <div class="actions">
              <button class="primary" type="submit">
                Record it
              </button>
            </div>
          </Form>
          <Import
            c={c}
            action="/portal/consents/import"
            columns="email, basis, source, granted_at, revoked_at"
          />
        </>
      ) : null}
    </>,
  )
}

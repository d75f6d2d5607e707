import { Hono } from 'hono'
import { type Consent, listConsents, recordConsent } from '../../../core/contacts/consents.ts'
import { may } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { csvFile } from '../forms/csv.ts'
import { ImportForm, importRows } from '../forms/import.tsx'
import { posted } from '../forms/posted.ts'
import { Field, optionsOf, Tick } from '../parts/fields.tsx'
import { Form, Submit } from '../parts/forms.tsx'
import { Listing, pageOf } from '../parts/list.tsx'
import { Badge, Time, words } from '../parts/text.tsx'
import { page } from '../shell.tsx'

const BASES: Consent['basis'][] = [
  'explicit_opt_in',
  'legitimate_interest',
  'contractual',
  'legal_obligation',
]

/** The consent of contacts, also as a CSV file. */
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
      return done(c, '/portal/consents', 'The consent is recorded.')
    },
    again: () => consentsPage(c),
  })
})

consents.post('/consents/import', async (c) => {
  return await posted(c, {
    async act() {
      const count = await importRows(c, ({ email = '', basis, source, granted_at, revoked_at }) =>
        recordConsent(c.var.ctx, {
          ...consent(email, basis),
          source: source || 'import',
          grantedAt: timeOf(granted_at),
          revokedAt: timeOf(revoked_at),
        }),
      )
      return done(c, '/portal/consents', `${count} records are imported.`)
    },
    again: () => consentsPage(c),
  })
})

const consent = (email: string, basis: string | undefined) => ({
  email,
  basis: BASES.find((each) => each === basis) ?? ('explicit_opt_in' as const),
  jurisdiction: null,
})

function timeOf(text: string | undefined): Date | null {
  if (!text) return null
  const at = new Date(text)
  if (!Number.isNaN(at.getTime())) return at
  const message = `"${text.slice(0, 40)}" is not a time. Write it like 2026-01-31T09:00:00Z.`
  throw new Fault('invalid', message, { field: 'file' })
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
        head={['Address', 'State', 'Basis', 'Source', 'Granted', 'Revoked']}
        row={(row) => [
          row.email,
          <Badge state={row.revokedAt ? 'revoked' : 'granted'} />,
          words(row.basis),
          row.source ?? '',
          <Time at={row.grantedAt} />,
          row.revokedAt ? <Time at={row.revokedAt} /> : '',
        ]}
      >
        No consent is recorded.
      </Listing>
      {may(c.var.ctx, 'manage') ? (
        <>
          <ConsentForm c={c} />
          <ImportForm
            c={c}
            action="/portal/consents/import"
            columns="email, basis, source, granted_at, revoked_at"
          />
        </>
      ) : null}
    </>,
  )
}

function ConsentForm({ c }: { c: PortalContext }) {
  return (
    <Form c={c} action="/portal/consents" class="card">
      <h2>Record a consent</h2>
      <Field
        c={c}
        label="Address"
        name="email"
        alias={['recipientEmail']}
        attributes={{ type: 'email', required: true }}
      />
      <Field c={c} label="Basis" name="basis" options={optionsOf(BASES)} />
      <Field
        c={c}
        label="Source"
        name="source"
        hint="Where the contact gave the consent, such as a sign-up form."
        attributes={{ maxlength: 200 }}
      />
      <Tick name="revoked" checked={c.get('given')?.revoked === 'on'}>
        The consent is revoked
      </Tick>
      <Submit>Record</Submit>
    </Form>
  )
}

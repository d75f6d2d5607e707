import { Hono } from 'hono'
import { type Consent, listConsents, recordConsent } from '../../core/consents.ts'
import { may } from '../../core/ctx.ts'
import { Fault } from '../../core/fault.ts'
import { liftSuppression, listSuppressions, REASON_CODES, suppress } from '../../core/suppressions.ts'
import { fromCsv, toCsv } from './csv.ts'
import {
  asked,
  Badge,
  Empty,
  Field,
  Form,
  PAGE,
  Pager,
  paged,
  Table,
  Time,
  Trouble,
  type Wrong,
  wrongOf,
} from './parts.tsx'
import { done, fileOf, formOf, type Portal, type PortalContext } from './session.ts'
import { page } from './shell.tsx'

const BASES: Consent['basis'][] = [
  'explicit_opt_in',
  'legitimate_interest',
  'contractual',
  'legal_obligation',
]
/** Rows of one exported file. */
const EXPORT_AT_MOST = 10_000

/** Whom nobody may write to, and who has agreed to be written to; both as files too. */
export const lists = new Hono<Portal>()

lists.get('/suppressions', async (c) => await suppressionsPage(c, null))

lists.get('/suppressions.csv', async (c) => {
  const rows = await listSuppressions(c.var.ctx, { limit: EXPORT_AT_MOST })
  return file(
    c,
    'suppressions',
    toCsv(
      ['email', 'scope', 'campaign', 'reason', 'source', 'expires_at', 'created_at'],
      rows.map((row) => [
        row.email,
        row.scope,
        row.campaignId,
        row.reasonCode,
        row.source,
        iso(row.expiresAt),
        iso(row.createdAt),
      ]),
    ),
  )
})

lists.post('/suppressions', async (c) => {
  const { email = '', reason } = await formOf(c)
  try {
    await suppress(c.var.ctx, { ...suppression(email, reason), source: 'portal' })
  } catch (error) {
    if (!isWrong(error)) throw error
    return await suppressionsPage(c, { ...wrongOf(error), field: 'email' })
  }
  return done(c, '/portal/suppressions', 'Nobody writes to this address any more.')
})

lists.post('/suppressions/import', async (c) => {
  let count = 0
  try {
    for (const { email = '', reason } of fromCsv((await fileOf(c, 'file')) ?? '')) {
      await suppress(c.var.ctx, { ...suppression(email, reason), source: 'import' })
      count++
    }
  } catch (error) {
    if (!isWrong(error)) throw error
    const message =
      count === 0 ? error.message : `Row ${count + 1}: ${error.message} The ${count} before it are in.`
    return await suppressionsPage(c, { field: 'file', message })
  }
  return done(c, '/portal/suppressions', `${count} addresses are on the list.`)
})

lists.post('/suppressions/:suppressionId/lift', async (c) => {
  await liftSuppression(c.var.ctx, c.req.param('suppressionId'))
  return done(c, '/portal/suppressions', 'The address may be written to again.')
})

const suppression = (email: string, reason: string | undefined) => ({
  email,
  scope: 'tenant' as const,
  reasonCode: REASON_CODES.find((code) => code === reason) ?? ('manual_dnc' as const),
  campaignId: null,
  expiresAt: null,
})

async function suppressionsPage(c: PortalContext, wrong: Wrong | null) {
  const { shown, next } = paged(
    await listSuppressions(c.var.ctx, { before: asked(c, 'before'), limit: PAGE + 1 }),
    ({ id }) => id,
  )
  const mayManage = may(c.var.ctx, 'manage')
  return await page(
    c,
    'Suppressions',
    <>
      <p class="lead">
        Addresses that nobody writes to. <a href="/portal/suppressions.csv">Export as CSV</a>
      </p>
      <Trouble wrong={wrong && wrong.field !== 'email' && wrong.field !== 'file' ? wrong : null} />
      {shown.length === 0 ? (
        <Empty>No address is on the list.</Empty>
      ) : (
        <Table
          caption="Suppressions"
          head={['Address', 'Why', 'Scope', 'From', 'Since', 'Until', '']}
          rows={shown.map((row) => [
            row.email,
            row.reasonCode.replaceAll('_', ' '),
            row.campaignId === '' ? row.scope : `${row.scope} ${row.campaignId}`,
            row.source ?? '',
            <Time at={row.createdAt} />,
            row.expiresAt ? <Time at={row.expiresAt} /> : 'for good',
            mayManage ? (
              <Form c={c} action={`/portal/suppressions/${row.id}/lift`}>
                <button class="small" type="submit" data-confirm={`Let agents write to ${row.email} again?`}>
                  Lift <span class="visually-hidden">{row.email}</span>
                </button>
              </Form>
            ) : null,
          ])}
        />
      )}
      <Pager c={c} next={next} />
      {mayManage ? (
        <>
          <Form c={c} action="/portal/suppressions" class="card">
            <h2>Put an address on the list</h2>
            <Field
              label="Address"
              name="email"
              wrong={wrong}
              attributes={{ type: 'email', required: true }}
            />
            <Field
              label="Why"
              name="reason"
              value="manual_dnc"
              options={REASON_CODES.map((code): [string, string] => [code, code.replaceAll('_', ' ')])}
            />
            <div class="actions">
              <button class="primary" type="submit">
                Put it on the list
              </button>
            </div>
          </Form>
          <Import c={c} action="/portal/suppressions/import" columns="email, reason" wrong={wrong} />
        </>
      ) : null}
    </>,
    wrong ? 422 : 200,
  )
}

lists.get('/consents', async (c) => await consentsPage(c, null))

lists.get('/consents.csv', async (c) => {
  const rows = await listConsents(c.var.ctx, { limit: EXPORT_AT_MOST })
  return file(
    c,
    'consents',
    toCsv(
      ['email', 'basis', 'source', 'jurisdiction', 'granted_at', 'revoked_at'],
      rows.map((row) => [
        row.email,
        row.basis,
        row.source,
        row.jurisdiction,
        iso(row.grantedAt),
        iso(row.revokedAt),
      ]),
    ),
  )
})

lists.post('/consents', async (c) => {
  const { email = '', basis, source, revoked } = await formOf(c)
  try {
    const revokedAt = revoked === 'on' ? c.get('now') : null
    await recordConsent(c.var.ctx, {
      ...consent(email, basis),
      source: source?.trim() || 'portal',
      revokedAt,
      grantedAt: null,
    })
  } catch (error) {
    if (!isWrong(error)) throw error
    return await consentsPage(c, { ...wrongOf(error), field: 'email' })
  }
  return done(c, '/portal/consents', 'It is on record.')
})

lists.post('/consents/import', async (c) => {
  let count = 0
  try {
    for (const { email = '', basis, source, granted_at, revoked_at } of fromCsv(
      (await fileOf(c, 'file')) ?? '',
    )) {
      await recordConsent(c.var.ctx, {
        ...consent(email, basis),
        source: source || 'import',
        grantedAt: moment(granted_at),
        revokedAt: moment(revoked_at),
      })
      count++
    }
  } catch (error) {
    if (!isWrong(error)) throw error
    const message =
      count === 0 ? error.message : `Row ${count + 1}: ${error.message} The ${count} before it are in.`
    return await consentsPage(c, { field: 'file', message })
  }
  return done(c, '/portal/consents', `${count} records are in.`)
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

async function consentsPage(c: PortalContext, wrong: Wrong | null) {
  const { shown, next } = paged(
    await listConsents(c.var.ctx, { after: asked(c, 'before'), limit: PAGE + 1 }),
    ({ contact }) => contact,
  )
  return await page(
    c,
    'Consent',
    <>
      <p class="lead">
        What contacts have agreed to. <a href="/portal/consents.csv">Export as CSV</a>
      </p>
      {shown.length === 0 ? (
        <Empty>No consent is on record.</Empty>
      ) : (
        <Table
          caption="Consent"
          head={['Address', 'State', 'Basis', 'From', 'Granted', 'Revoked']}
          rows={shown.map((row) => [
            row.email,
            <Badge state={row.revokedAt ? 'revoked' : 'granted'} />,
            row.basis.replaceAll('_', ' '),
            row.source ?? '',
            <Time at={row.grantedAt} />,
            row.revokedAt ? <Time at={row.revokedAt} /> : '',
          ])}
        />
      )}
      <Pager c={c} next={next} />
      {may(c.var.ctx, 'manage') ? (
        <>
          <Form c={c} action="/portal/consents" class="card">
            <h2>Record a consent</h2>
            <Field
              label="Address"
              name="email"
              wrong={wrong}
              attributes={{ type: 'email', required: true }}
            />
            <Field
              label="Basis"
              name="basis"
              options={BASES.map((each): [string, string] => [each, each.replaceAll('_', ' ')])}
            />
            <Field label="Where it was given" name="source" attributes={{ maxlength: 200 }} />
            <label class="tick">
              <input type="checkbox" name="revoked" />
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
            wrong={wrong}
          />
        </>
      ) : null}
    </>,
    wrong ? 422 : 200,
  )
}

function Import({
  c,
  action,
  columns,
  wrong,
}: {
  c: PortalContext
  action: string
  columns: string
  wrong: Wrong | null
}) {
  return (
    <Form c={c} action={action} class="card" upload>
      <h2>Import a CSV file</h2>
      <Field
        label="File"
        name="file"
        wrong={wrong}
        hint={`Up to 1,000 rows; the first line names the columns: ${columns}.`}
        attributes={{ type: 'file', accept: '.csv,text/csv', required: true }}
      />
      <div class="actions">
        <button type="submit">Import</button>
      </div>
    </Form>
  )
}

const isWrong = (error: unknown): error is Fault => error instanceof Fault && error.code === 'invalid'

const iso = (at: Date | null) => at?.toISOString() ?? null

function file(c: PortalContext, name: string, content: string) {
  c.header('Content-Disposition', `attachment; filename="${name}.csv"`)
  return c.body(content, 200, { 'content-type': 'text/csv; charset=utf-8' })
}

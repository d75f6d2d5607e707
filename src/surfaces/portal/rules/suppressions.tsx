import { Hono } from 'hono'
import {
  liftSuppression,
  listSuppressions,
  REASON_CODES,
  suppress,
} from '../../../core/contacts/suppressions.ts'
import { may } from '../../../core/ground/ctx.ts'
import { csvFile } from '../forms/csv.ts'
import { Import, takeIn } from '../forms/import.tsx'
import { posted } from '../forms/posted.ts'
import { Field, Form, Listing, pageOf, Time } from '../parts/parts.tsx'
import { done, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

/** Whom nobody may write to; as a file too. */
export const suppressions = new Hono<Portal>()

suppressions.get('/suppressions', suppressionsPage)

suppressions.get('/suppressions.csv', async (c) => {
  return await csvFile(c, 'suppressions', {
    head: ['email', 'scope', 'campaign', 'reason', 'source', 'expires_at', 'created_at'],
    list: (part) => listSuppressions(c.var.ctx, part),
    idOf: ({ id }) => id,
    cells: (row) => [
      ...[row.email, row.scope, row.campaignId, row.reasonCode, row.source],
      ...[row.expiresAt, row.createdAt],
    ],
  })
})

suppressions.post('/suppressions', async (c) => {
  return await posted(c, {
    async act({ email = '', reason }) {
      await suppress(c.var.ctx, { ...suppression(email, reason), source: 'portal' })
      return done(c, '/portal/suppressions', 'Nobody writes to this address any more.')
    },
    again: () => suppressionsPage(c),
  })
})

suppressions.post('/suppressions/import', async (c) => {
  return await posted(c, {
    async act() {
      const count = await takeIn(c, ({ email = '', reason }) =>
        suppress(c.var.ctx, { ...suppression(email, reason), source: 'import' }),
      )
      return done(c, '/portal/suppressions', `${count} addresses are on the list.`)
    },
    again: () => suppressionsPage(c),
  })
})

suppressions.post('/suppressions/:suppressionId/lift', async (c) => {
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

async function suppressionsPage(c: PortalContext) {
  const found = await pageOf(
    c,
    (part) => listSuppressions(c.var.ctx, part),
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
      <Listing
        c={c}
        of={found}
        caption="Suppressions"
        head={['Address', 'Why', 'Scope', 'From', 'Since', 'Until', '']}
        row={(row) => [
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
        ]}
      >
        No address is on the list.
      </Listing>
      {mayManage ? (
        <>
          <Form c={c} action="/portal/suppressions" class="card">
            <h2>Put an address on the list</h2>
            <Field
              c={c}
              label="Address"
              name="email"
              alias={['recipientEmail']}
              attributes={{ type: 'email', required: true }}
            />
            <Field
              c={c}
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
          <Import c={c} action="/portal/suppressions/import" columns="email, reason" />
        </>
      ) : null}
    </>,
  )
}

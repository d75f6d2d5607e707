import { Hono } from 'hono'
import {
  liftSuppression,
  listSuppressions,
  REASON_CODES,
  suppress,
} from '../../../core/contacts/suppressions.ts'
import { may } from '../../../core/ground/ctx.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { csvFile } from '../forms/csv.ts'
import { ImportForm, importRows } from '../forms/import.tsx'
import { posted } from '../forms/posted.ts'
import { Field, optionsOf } from '../parts/fields.tsx'
import { ButtonForm, Form, Submit } from '../parts/forms.tsx'
import { Listing, pageById } from '../parts/list.tsx'
import { Time, words } from '../parts/text.tsx'
import { page } from '../shell.tsx'

/** The addresses that must not be written to, also as a CSV file. */
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
      return done(c, '/portal/suppressions', 'The address is suppressed. No agent can write to it.')
    },
    again: () => suppressionsPage(c),
  })
})

suppressions.post('/suppressions/import', async (c) => {
  return await posted(c, {
    async act() {
      const count = await importRows(c, ({ email = '', reason }) =>
        suppress(c.var.ctx, { ...suppression(email, reason), source: 'import' }),
      )
      return done(c, '/portal/suppressions', `${count} suppressions are imported.`)
    },
    again: () => suppressionsPage(c),
  })
})

suppressions.post('/suppressions/:suppressionId/lift', async (c) => {
  await liftSuppression(c.var.ctx, c.req.param('suppressionId'))
  return done(c, '/portal/suppressions', 'The suppression is removed. Agents can write to the address again.')
})

const suppression = (email: string, reason: string | undefined) => ({
  email,
  scope: 'tenant' as const,
  reasonCode: REASON_CODES.find((code) => code === reason) ?? ('manual_dnc' as const),
  campaignId: null,
  expiresAt: null,
})

async function suppressionsPage(c: PortalContext) {
  const found = await pageById(c, (part) => listSuppressions(c.var.ctx, part))
  const mayManage = may(c.var.ctx, 'manage')
  return await page(
    c,
    'Suppressions',
    <>
      <p class="lead">
        Addresses that agents must not write to. <a href="/portal/suppressions.csv">Export as CSV</a>
      </p>
      <Listing
        c={c}
        of={found}
        caption="Suppressions"
        head={['Address', 'Reason', 'Scope', 'Source', 'Since', 'Until', '']}
        row={(row) => [
          row.email,
          words(row.reasonCode),
          row.campaignId === '' ? row.scope : `${row.scope} ${row.campaignId}`,
          row.source ?? '',
          <Time at={row.createdAt} />,
          row.expiresAt ? <Time at={row.expiresAt} /> : 'no end',
          mayManage ? (
            <ButtonForm
              c={c}
              action={`/portal/suppressions/${row.id}/lift`}
              class="small"
              confirm={`Let agents write to ${row.email} again?`}
              about={`the suppression of ${row.email}`}
            >
              Remove
            </ButtonForm>
          ) : null,
        ]}
      >
        No address is suppressed.
      </Listing>
      {mayManage ? (
        <>
          <SuppressForm c={c} />
          <ImportForm c={c} action="/portal/suppressions/import" columns="email, reason" />
        </>
      ) : null}
    </>,
  )
}

function SuppressForm({ c }: { c: PortalContext }) {
  return (
    <Form c={c} action="/portal/suppressions" class="card">
      <h2>Suppress an address</h2>
      <Field
        c={c}
        label="Address"
        name="email"
        alias={['recipientEmail']}
        attributes={{ type: 'email', required: true }}
      />
      <Field c={c} label="Reason" name="reason" value="manual_dnc" options={optionsOf(REASON_CODES)} />
      <Submit>Suppress</Submit>
    </Form>
  )
}

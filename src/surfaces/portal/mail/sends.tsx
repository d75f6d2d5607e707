import { Hono } from 'hono'
import { may } from '../../../core/ground/ctx.ts'
import { mayBeCancelled, SEND_STATES, STATES } from '../../../core/policy/states.ts'
import { cancelSend, getSend, listSends, type Send, type TraceStep } from '../../../core/sending/sends.ts'
import {
  asked,
  Badge,
  Empty,
  Field,
  Form,
  Id,
  PAGE,
  Pager,
  paged,
  Table,
  Time,
  toneOf,
} from '../parts/parts.tsx'
import { done, type Portal } from '../session.ts'
import { page } from '../shell.tsx'

/** Everything that agents asked to be sent, and the trace of each: what was decided, why, and what became of it. */
export const sends = new Hono<Portal>()

sends.get('/sends', async (c) => {
  const [state, recipient, mailboxId, template] = ['state', 'to', 'mailbox', 'template'].map((name) =>
    asked(c, name),
  )
  const known = SEND_STATES.find((each) => each === state)
  const found = paged(
    await listSends(c.var.ctx, {
      states: known && [known],
      recipient: recipient?.includes('@') ? recipient : undefined,
      mailboxId,
      template,
      before: asked(c, 'before'),
      limit: PAGE + 1,
    }),
    ({ id }) => id,
  )
  return await page(
    c,
    'Sends',
    <>
      <form class="row" method="get">
        <Field
          c={c}
          label="State"
          name="state"
          value={known}
          options={[
            ['', 'any'],
            ...SEND_STATES.map((each): [string, string] => [each, each.replaceAll('_', ' ')]),
          ]}
        />
        <Field c={c} label="Recipient" name="to" value={recipient} attributes={{ type: 'email' }} />
        <Field c={c} label="Template" name="template" value={template} />
        <button type="submit">Show</button>
      </form>
      {found.shown.length === 0 ? <Empty>No such send.</Empty> : <SendTable sends={found.shown} />}
      <Pager c={c} of={found} caption="sends" />
    </>,
  )
})

/** Sends by their recipient, as a table. */
export function SendTable({ sends: rows }: { sends: Send[] }) {
  return (
    <Table
      caption="Sends"
      head={['To', 'State', 'Why', 'Template', 'Asked for']}
      rows={rows.map((send) => [
        <a href={`/portal/sends/${send.id}`}>{send.recipients[0]?.email ?? send.id}</a>,
        <Badge state={send.state} />,
        send.reason?.replaceAll('_', ' ') ?? '',
        send.template ?? '',
        <Time at={send.createdAt} />,
      ])}
    />
  )
}

sends.get('/sends/:sendId', async (c) => {
  const { send, steps, recipients } = await getSend(c.var.ctx, c.req.param('sendId'))
  const mayCancel = may(c.var.ctx, 'send') && mayBeCancelled(STATES[send.state])
  return await page(
    c,
    `To ${send.recipients[0]?.email ?? 'nobody'}`,
    <>
      <p class="lead">
        <Badge state={send.state} /> asked for <Time at={send.createdAt} />
      </p>
      <div class="split">
        <section aria-label="What happened">
          <h2>What happened</h2>
          <ol class="line">
            <li>
              <p>
                <strong>Asked for</strong> by {send.agentId ?? 'no agent'}, through {send.door}
              </p>
              <Time at={send.createdAt} />
            </li>
            {steps.map((step) => (
              <Step step={step} />
            ))}
          </ol>
        </section>
        <section aria-label="About it" class="card">
          <dl class="facts">
            <dt>Recipients</dt>
            <dd>
              {send.recipients.map(({ email, kind, contact }) => (
                <>
                  <a href={`/portal/contacts?email=${encodeURIComponent(email)}`}>{email}</a> {kind}{' '}
                  <Badge state={recipients.find((each) => each.contact === contact)?.state ?? 'not_sent'} />
                  <br />
                </>
              ))}
            </dd>
            <dt>Mailbox</dt>
            <dd>
              <a href={`/portal/mailboxes/${send.mailboxId}`}>{send.mailboxId}</a>
            </dd>
            {send.template ? (
              <>
                <dt>Template</dt>
                <dd>{send.template}</dd>
              </>
            ) : null}
            {send.input?.sendReason ? (
              <>
                <dt>Its reason</dt>
                <dd>{send.input.sendReason}</dd>
              </>
            ) : null}
            {send.dedupeKey ? (
              <>
                <dt>Dedupe key</dt>
                <dd>
                  <Id>{send.dedupeKey}</Id>
                </dd>
              </>
            ) : null}
            {send.approvalId ? (
              <>
                <dt>Approval</dt>
                <dd>
                  <a href={`/portal/approvals/${send.approvalId}`}>Read the message</a>
                </dd>
              </>
            ) : null}
            {send.detail ? (
              <>
                <dt>Detail</dt>
                <dd>{send.detail}</dd>
              </>
            ) : null}
            <dt>Request</dt>
            <dd>
              <Id>{send.id}</Id>
            </dd>
          </dl>
          {mayCancel ? (
            <Form c={c} action={`/portal/sends/${send.id}/cancel`}>
              <button class="danger" type="submit" data-confirm="Cancel this send?">
                Cancel it
              </button>
            </Form>
          ) : null}
        </section>
      </div>
    </>,
  )
})

sends.post('/sends/:sendId/cancel', async (c) => {
  const id = c.req.param('sendId')
  const { cancelled } = await cancelSend(c.var.ctx, id)
  return done(c, `/portal/sends/${id}`, cancelled ? 'Cancelled.' : 'It was too late: it has begun to leave.')
})

type Rule = { rule?: unknown; passed?: unknown; detail?: unknown }

/** One step of a trace in words, with every rule of a decision. */
function Step({ step: { kind, at, body } }: { step: TraceStep }) {
  const verdict = body.verdict as { allow?: boolean; auditEvents?: Rule[]; hold?: string | null } | undefined
  const outcome = text(body.state ?? body.outcome ?? body.refused)
  const tone = kind === 'decision' ? (verdict?.allow ? 'good' : 'bad') : toneOf(outcome)
  return (
    <li class={tone}>
      <p>
        <strong>
          {kind === 'decision'
            ? verdict?.allow
              ? 'Allowed'
              : 'Refused'
            : kind[0]?.toUpperCase() + kind.slice(1)}
        </strong>{' '}
        {[
          text(body.carrier),
          body.attempt === undefined ? '' : `attempt ${text(body.attempt)}`,
          outcome.replaceAll('_', ' '),
        ]
          .filter((part) => part !== '')
          .join(', ')}
      </p>
      <Time at={at} />
      {verdict?.hold ? <p>Held: {verdict.hold}</p> : null}
      {verdict?.auditEvents ? (
        <ul class="rules">
          {verdict.auditEvents.map(({ rule, passed, detail }) => (
            <li>
              <Badge state={passed ? 'passed' : 'refused'} tone={passed ? 'good' : 'bad'} />
              <span>
                {text(rule).replaceAll('_', ' ')}
                {detail ? `: ${text(detail)}` : ''}
              </span>
            </li>
          ))}
        </ul>
      ) : null}
      <details>
        <summary>All of it</summary>
        <pre>{JSON.stringify(body, null, 2)}</pre>
      </details>
    </li>
  )
}

const text = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? String(value) : '')

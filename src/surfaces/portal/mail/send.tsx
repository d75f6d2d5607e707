import { Hono } from 'hono'
import { may } from '../../../core/ground/ctx.ts'
import { mayBeCancelled, STATES } from '../../../core/policy/states.ts'
import { cancelSend, getSend, type TraceStep } from '../../../core/sending/sends.ts'
import type { Portal } from '../context.ts'
import { done } from '../flash.ts'
import { ButtonForm } from '../parts/forms.tsx'
import { Facts } from '../parts/table.tsx'
import { Badge, ContactLink, Id, recipientsInShort, Time, toneOf, words } from '../parts/text.tsx'
import { page } from '../shell.tsx'

type Found = Awaited<ReturnType<typeof getSend>>

/** One send with its trace: what was decided, why, and what happened since. */
export const send = new Hono<Portal>()

send.get('/sends/:sendId', async (c) => {
  const found = await getSend(c.var.ctx, c.req.param('sendId'))
  const { id, state, createdAt, agentId, door } = found.send
  return await page(
    c,
    `To ${recipientsInShort(found.send)}`,
    <>
      <p class="lead">
        <Badge state={state} /> requested <Time at={createdAt} />
      </p>
      <div class="split">
        <section aria-label="What happened">
          <h2>What happened</h2>
          <ol class="line">
            <li>
              <p>
                <strong>Requested</strong> {agentId ? `by ${agentId}` : 'without an agent'}, through {door}
              </p>
              <Time at={createdAt} />
            </li>
            {found.steps.map((step) => (
              <Step step={step} />
            ))}
          </ol>
        </section>
        <section aria-label="Details" class="card">
          <Details found={found} />
          {may(c.var.ctx, 'send') && mayBeCancelled(STATES[state]) ? (
            <ButtonForm
              c={c}
              action={`/portal/sends/${id}/cancel`}
              class="danger"
              confirm="Cancel this send?"
            >
              Cancel this send
            </ButtonForm>
          ) : null}
        </section>
      </div>
    </>,
  )
})

send.post('/sends/:sendId/cancel', async (c) => {
  const id = c.req.param('sendId')
  const { cancelled } = await cancelSend(c.var.ctx, id)
  const said = cancelled ? 'The send is cancelled.' : 'Too late to cancel: the message is already being sent.'
  return done(c, `/portal/sends/${id}`, said)
})

function Details({ found: { send: of, recipients } }: { found: Found }) {
  const stateOf = (contact: string) => recipients.find((each) => each.contact === contact)?.state
  return (
    <Facts
      facts={[
        [
          'Recipients',
          of.recipients.map(({ email, kind, contact }) => (
            <>
              <ContactLink email={email} /> {kind} <Badge state={stateOf(contact) ?? 'not_sent'} />
              <br />
            </>
          )),
        ],
        ['Mailbox', <a href={`/portal/mailboxes/${of.mailboxId}`}>{of.mailboxId}</a>],
        ['Template', of.template],
        ["Agent's reason", of.input?.sendReason],
        ['Dedupe key', of.dedupeKey && <Id>{of.dedupeKey}</Id>],
        ['Approval', of.approvalId && <a href={`/portal/approvals/${of.approvalId}`}>Read the message</a>],
        ['Detail', of.detail],
        ['Request id', <Id>{of.id}</Id>],
      ]}
    />
  )
}

type Rule = { rule?: unknown; passed?: unknown; detail?: unknown }
type Verdict = { allow?: boolean; auditEvents?: Rule[]; hold?: string | null }

/** One step of a trace in words; a decision shows every rule. */
function Step({ step: { kind, at, body } }: { step: TraceStep }) {
  const verdict = body.verdict as Verdict | undefined
  const isDecision = kind === 'decision'
  const outcome = text(body.state ?? body.outcome ?? body.refused)
  const tone = isDecision ? (verdict?.allow ? 'good' : 'bad') : toneOf(outcome)
  const title = isDecision ? (verdict?.allow ? 'Allowed' : 'Refused') : kind[0]?.toUpperCase() + kind.slice(1)
  const details = [
    text(body.carrier),
    body.attempt === undefined ? '' : `attempt ${text(body.attempt)}`,
    words(outcome),
  ]
  return (
    <li class={tone}>
      <p>
        <strong>{title}</strong> {details.filter((part) => part !== '').join(', ')}
      </p>
      <Time at={at} />
      {verdict?.hold ? <p>Held: {verdict.hold}</p> : null}
      {verdict?.auditEvents ? <Rules rules={verdict.auditEvents} /> : null}
      <details>
        <summary>Full record</summary>
        <pre>{JSON.stringify(body, null, 2)}</pre>
      </details>
    </li>
  )
}

function Rules({ rules }: { rules: Rule[] }) {
  return (
    <ul class="rules">
      {rules.map(({ rule, passed, detail }) => (
        <li>
          <Badge state={passed ? 'passed' : 'refused'} tone={passed ? 'good' : 'bad'} />
          <span>
            {words(text(rule))}
            {detail ? `: ${text(detail)}` : ''}
          </span>
        </li>
      ))}
    </ul>
  )
}

const text = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? String(value) : '')

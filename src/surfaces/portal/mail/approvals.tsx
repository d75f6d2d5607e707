import { Hono } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { renderSend } from '../../../core/delivery/render.ts'
import { may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { Fault, type FaultCode } from '../../../core/ground/fault.ts'
import {
  type ApprovalStatus,
  decideApproval,
  editHeld,
  getApproval,
  listApprovals,
} from '../../../core/sending/approvals.ts'
import { posted } from '../forms/posted.ts'
import { MessageView, messageFrame } from '../parts/message.tsx'
import { asked, Badge, Field, Form, Id, Listing, pageOf, Time } from '../parts/parts.tsx'
import { done, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

/** Why a message can be decided or edited no more: it is shown as it stands. */
const TOO_LATE: FaultCode[] = ['already_decided', 'approval_stale', 'not_rendered']

const STATUSES: ApprovalStatus[] = ['pending', 'approved', 'rejected', 'expired', 'superseded']

/** What waits for a person: read as the recipient will, then approved, edited or rejected. */
export const approvals = new Hono<Portal>()

approvals.get('/approvals', async (c) => {
  const status = STATUSES.find((each) => each === asked(c, 'status')) ?? 'pending'
  const found = await pageOf(
    c,
    (part) => listApprovals(c.var.ctx, { status, ...part }),
    ({ approval }) => approval.id,
  )
  return await page(
    c,
    'Approvals',
    <>
      <form class="row" method="get">
        <Field
          c={c}
          label="Show"
          name="status"
          value={status}
          options={STATUSES.map((each): [string, string] => [
            each,
            each === 'pending' ? 'to be decided' : each,
          ])}
        />
        <button type="submit">Show</button>
      </form>
      <div id="approvals" data-live="approval">
        <Listing
          c={c}
          of={found}
          caption="Approvals"
          head={['To', 'Why it is held', 'Held since', status === 'pending' ? 'Decide by' : 'Decided']}
          row={({ approval, send }) => [
            <a href={`/portal/approvals/${approval.id}`}>
              {send.recipients[0]?.email}
              {send.recipients.length > 1 ? ` and ${send.recipients.length - 1} more` : ''}
            </a>,
            approval.holdReason.replaceAll('_', ' '),
            <Time at={approval.createdAt} />,
            <Time at={status === 'pending' ? approval.expiresAt : approval.decidedAt} />,
          ]}
        >
          {status === 'pending' ? 'Nothing waits for you.' : `Nothing is ${status}.`}
        </Listing>
      </div>
    </>,
  )
})

approvals.get('/approvals/:approvalId', async (c) => await approvalPage(c, c.req.param('approvalId')))

approvals.get('/approvals/:approvalId/message', async (c) => {
  const { rendered } = await getApproval(c.var.ctx, c.req.param('approvalId'))
  return messageFrame(c, rendered)
})

approvals.post('/approvals/:approvalId/decide', async (c) => {
  const id = c.req.param('approvalId')
  mustBeAllowed(c.var.ctx, 'approve')
  return await posted(c, {
    async act({ decision, reason, sha256 }) {
      const approve = decision === 'approve'
      if (!approve && decision !== 'reject') {
        throw new Fault('invalid', 'Choose whether to approve or to reject.', { field: 'decision' })
      }
      // Without the hash of what was read nothing is approved unread.
      if (approve && !sha256) throw new Fault('not_rendered', 'The message is not written yet.')
      await decideApproval(c.var.ctx, id, { approve, reason: reason?.trim() || null, sha256: sha256 || null })
      const said = approve ? 'Approved. The message leaves.' : 'Rejected. It does not leave.'
      return done(c, '/portal/approvals', said)
    },
    again: ({ code }) => approvalPage(c, id, code === 'invalid' ? 422 : 409),
    mended: ['invalid', ...TOO_LATE],
  })
})

approvals.get('/approvals/:approvalId/edit', async (c) => await editPage(c, c.req.param('approvalId')))

approvals.post('/approvals/:approvalId/edit', async (c) => {
  const id = c.req.param('approvalId')
  return await posted(c, {
    async act({ subject = '', html = '', text = '' }) {
      if (subject.trim() === '')
        throw new Fault('invalid', 'Give the message a subject.', { field: 'subject' })
      if (html.trim() === '' && text.trim() === '') {
        throw new Fault('invalid', 'Write a text, or HTML, or both.', { field: 'text' })
      }
      const newId = await editHeld(c.var.ctx, id, {
        subject: subject.trim(),
        html: html.trim() === '' ? null : html,
        text: text.trim() === '' ? null : text.replaceAll('\r\n', '\n'),
      })
      // Written at once, so that the person reads the new bytes now; the queue would do it a moment later.
      const { send } = await getApproval(c.var.ctx, newId)
      await renderSend(c.env, { tenantId: send.tenantId, sendId: send.id }, () => new Date())
      return done(c, `/portal/approvals/${newId}`, 'Changed. Read it once more, then approve it.')
    },
    again: ({ code }) => (code === 'invalid' ? editPage(c, id) : approvalPage(c, id, 409)),
    mended: ['invalid', ...TOO_LATE],
  })
})

async function approvalPage(c: PortalContext, id: string, status: ContentfulStatusCode = 200) {
  const { approval, send, rendered } = await getApproval(c.var.ctx, id)
  const isOpen = approval.status === 'pending' && approval.expiresAt > c.get('now')
  const mayDecide = may(c.var.ctx, 'approve')
  const to = `${send.recipients[0]?.email ?? 'nobody'}${send.recipients.length > 1 ? ` and ${send.recipients.length - 1} more` : ''}`
  return await page(
    c,
    isOpen ? `May this go to ${to}?` : `A message to ${to}`,
    <>
      <p class="lead">
        <Badge state={isOpen ? 'pending' : approval.status === 'pending' ? 'expired' : approval.status} />{' '}
        held since <Time at={approval.createdAt} />
      </p>
      <div class="split">
        <section aria-label="The message">
          {rendered ? (
            <MessageView rendered={rendered} path={`/portal/approvals/${id}/message`} />
          ) : (
            <p class="note">
              The message is being written. <a href={`/portal/approvals/${id}`}>Look again</a> in a moment.
            </p>
          )}
        </section>
        <section aria-label="The decision">
          <div class="card">
            <h2>Why it is held</h2>
            <p>{approval.holdReason.replaceAll('_', ' ')}</p>
            <dl class="facts">
              <dt>Mailbox</dt>
              <dd>
                <a href={`/portal/mailboxes/${approval.mailboxId}`}>
                  {rendered?.from.email ?? approval.mailboxId}
                </a>
              </dd>
              {send.input?.sendReason ? (
                <>
                  <dt>Its reason</dt>
                  <dd>{send.input.sendReason}</dd>
                </>
              ) : null}
              <dt>{isOpen ? 'Undecided, rejected at' : 'Decided'}</dt>
              <dd>
                <Time at={isOpen ? approval.expiresAt : (approval.decidedAt ?? approval.expiresAt)} />
              </dd>
              {approval.decidedBy ? (
                <>
                  <dt>By</dt>
                  <dd>
                    <Id>{approval.decidedBy}</Id>
                  </dd>
                </>
              ) : null}
              {approval.decisionReason ? (
                <>
                  <dt>Reason</dt>
                  <dd>{approval.decisionReason}</dd>
                </>
              ) : null}
              <dt>Trace</dt>
              <dd>
                <a href={`/portal/sends/${send.id}`}>What has happened so far</a>
              </dd>
            </dl>
          </div>
          {isOpen && mayDecide ? (
            <Form c={c} action={`/portal/approvals/${id}/decide`} class="card">
              <input type="hidden" name="sha256" value={rendered?.sha256 ?? ''} />
              <Field c={c} label="Reason, if you reject it" name="reason" attributes={{ maxlength: 500 }} />
              <div class="actions">
                <button
                  class="primary"
                  type="submit"
                  name="decision"
                  value="approve"
                  data-key="a"
                  disabled={!rendered}
                >
                  Approve
                </button>
                <a class="button" href={`/portal/approvals/${id}/edit`} data-key="e">
                  Edit
                </a>
                <button class="danger" type="submit" name="decision" value="reject" data-key="r">
                  Reject
                </button>
              </div>
              <p class="soft">Keys: a, e and r go to the buttons; Enter presses one.</p>
            </Form>
          ) : isOpen ? (
            <p class="note">Your role lets you read this. Deciding needs an approver or an owner.</p>
          ) : null}
        </section>
      </div>
    </>,
    status,
  )
}

async function editPage(c: PortalContext, id: string) {
  const { approval, rendered } = await getApproval(c.var.ctx, id)
  if (!rendered || approval.status !== 'pending') return await approvalPage(c, id, 409)
  return await page(
    c,
    'Edit the message',
    <>
      <p class="lead">
        A changed message is a new one: you read and approve it afterwards, as it will leave.
      </p>
      <Form c={c} action={`/portal/approvals/${id}/edit`}>
        <Field
          c={c}
          label="Subject"
          name="subject"
          value={rendered.subject}
          attributes={{ required: true, maxlength: 998 }}
        />
        <Field c={c} label="Text" name="text" rows={12} value={rendered.text} />
        <Field
          c={c}
          label="HTML"
          name="html"
          rows={12}
          value={rendered.html}
          hint="Empty, the message has only its text."
          attributes={{ spellcheck: 'false', class: 'mono' }}
        />
        <div class="actions">
          <button class="primary" type="submit">
            Save, then read it
          </button>
          <a class="button" href={`/portal/approvals/${id}`}>
            Leave it as it is
          </a>
        </div>
      </Form>
    </>,
  )
}

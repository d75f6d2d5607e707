import { Hono } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { renderSend } from '../../../core/delivery/render.ts'
import { may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { Fault, type FaultCode } from '../../../core/ground/fault.ts'
import { visible } from '../../../core/reading/text/visible.ts'
import { decideApproval, editHeld, getApproval } from '../../../core/sending/approvals.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import type { Form as Given } from '../forms/form.ts'
import { decisionOf, posted } from '../forms/posted.ts'
import { Field } from '../parts/fields.tsx'
import { Form, YesOrNo } from '../parts/forms.tsx'
import { fileAnswer, MessageView, messageFrame, reviewed } from '../parts/message.tsx'
import { Facts } from '../parts/table.tsx'
import { Badge, Id, recipientsInShort, Time, words } from '../parts/text.tsx'
import { page } from '../shell.tsx'

type Found = Awaited<ReturnType<typeof getApproval>>

/** Why a message can no longer be decided or edited. The page then shows its present state. */
const TOO_LATE: FaultCode[] = ['already_decided', 'approval_stale', 'not_rendered']

/** One approval: a person reads the message as its recipient will, then approves, edits or rejects it. */
export const approval = new Hono<Portal>()

approval.get('/approvals/:approvalId', async (c) => await approvalPage(c, c.req.param('approvalId')))

approval.get('/approvals/:approvalId/message', async (c) => {
  const { rendered } = await getApproval(c.var.ctx, c.req.param('approvalId'))
  return messageFrame(c, rendered)
})

approval.get('/approvals/:approvalId/files/:hash', async (c) => {
  const { rendered } = await getApproval(c.var.ctx, c.req.param('approvalId'))
  const answer = await fileAnswer(c, rendered, c.req.param('hash'))
  if (answer === null) throw new Fault('not_found', 'The message has no such file, or it was changed since.')
  return answer
})

approval.post('/approvals/:approvalId/decide', async (c) => {
  const id = c.req.param('approvalId')
  mustBeAllowed(c.var.ctx, 'approve')
  return await posted(c, {
    async act({ decision, reason, sha256 }) {
      const approve = decisionOf(decision) === 'approve'
      // The hash names the message that was read: nothing is approved unread.
      if (approve && !sha256) {
        throw new Fault('not_rendered', 'The message is still being written. Read it before you approve it.')
      }
      await decideApproval(c.var.ctx, id, { approve, reason: reason?.trim() || null, sha256: sha256 || null })
      const said = approve
        ? 'Approved. The message is being sent.'
        : 'Rejected. The message will not be sent.'
      return done(c, '/portal/approvals', said)
    },
    again: ({ code }) => approvalPage(c, id, code === 'invalid' ? 422 : 409),
    mended: ['invalid', ...TOO_LATE],
  })
})

approval.get('/approvals/:approvalId/edit', async (c) => await editPage(c, c.req.param('approvalId')))

approval.post('/approvals/:approvalId/edit', async (c) => {
  const id = c.req.param('approvalId')
  return await posted(c, {
    async act(form) {
      const newId = await editHeld(c.var.ctx, id, contentIn(form))
      // Rendered at once, so that the person can read the new message now; the queue would do it a moment later.
      const { send } = await getApproval(c.var.ctx, newId)
      await renderSend(c.env, { tenantId: send.tenantId, sendId: send.id }, () => new Date())
      return done(c, `/portal/approvals/${newId}`, 'Saved. Read the message again, then approve it.')
    },
    again: ({ code }) => (code === 'invalid' ? editPage(c, id) : approvalPage(c, id, 409)),
    mended: ['invalid', ...TOO_LATE],
  })
})

function contentIn({ subject = '', html = '', text = '' }: Given) {
  if (subject.trim() === '') throw new Fault('invalid', 'Give the message a subject.', { field: 'subject' })
  if (html.trim() === '' && text.trim() === '') {
    throw new Fault('invalid', 'Fill in the text, the HTML, or both.', { field: 'text' })
  }
  return {
    subject: subject.trim(),
    html: html.trim() === '' ? null : html,
    text: text.trim() === '' ? null : text.replaceAll('\r\n', '\n'),
  }
}

async function approvalPage(c: PortalContext, id: string, status: ContentfulStatusCode = 200) {
  const found = await getApproval(c.var.ctx, id)
  const { send, rendered } = found
  const isPending = found.approval.status === 'pending'
  const isOpen = isPending && found.approval.expiresAt > c.get('now')
  const to = recipientsInShort(send)
  const whole = rendered && (await reviewed(rendered))
  return await page(
    c,
    isOpen ? `Send this to ${to}?` : `A message to ${to}`,
    <>
      <p class="lead">
        <Badge state={isPending && !isOpen ? 'expired' : found.approval.status} /> held since{' '}
        <Time at={found.approval.createdAt} />
      </p>
      <div class="split">
        <section aria-label="The message">
          {whole ? (
            <MessageView of={whole} path={`/portal/approvals/${id}`} />
          ) : (
            <p class="note">
              The message is being written. <a href={`/portal/approvals/${id}`}>Look again</a> in a moment.
            </p>
          )}
        </section>
        <section aria-label="The decision">
          <div class="card">
            <h2>Why it is held</h2>
            <p>{words(found.approval.holdReason)}</p>
            <Details found={found} isOpen={isOpen} />
          </div>
          {isOpen ? <DecisionForm c={c} id={id} sha256={rendered?.sha256} /> : null}
        </section>
      </div>
    </>,
    status,
  )
}

function Details({ found: { approval: of, send, rendered }, isOpen }: { found: Found; isOpen: boolean }) {
  return (
    <Facts
      facts={[
        ['Mailbox', <a href={`/portal/mailboxes/${of.mailboxId}`}>{rendered?.from.email ?? of.mailboxId}</a>],
        ["Agent's reason", visible(send.input?.sendReason ?? '')],
        [
          isOpen ? 'Rejected if nobody decides by' : 'Decided',
          <Time at={isOpen ? of.expiresAt : (of.decidedAt ?? of.expiresAt)} />,
        ],
        ['By', of.decidedBy && <Id>{of.decidedBy}</Id>],
        ['Reason', visible(of.decisionReason ?? '')],
        ['Trace', <a href={`/portal/sends/${send.id}`}>What has happened so far</a>],
      ]}
    />
  )
}

/** The buttons of a person who may decide. The message can be approved once it is written, by its hash. */
function DecisionForm({ c, id, sha256 }: { c: PortalContext; id: string; sha256: string | undefined }) {
  if (!may(c.var.ctx, 'approve')) {
    return <p class="note">Your role may read this. Only an approver or an owner can decide.</p>
  }
  return (
    <Form c={c} action={`/portal/approvals/${id}/decide`} class="card">
      <input type="hidden" name="sha256" value={sha256 ?? ''} />
      <Field c={c} label="Reason, if you reject it" name="reason" attributes={{ maxlength: 500 }} />
      <YesOrNo name="decision" yes="Approve" no="Reject" disabled={sha256 === undefined}>
        <a class="button" href={`/portal/approvals/${id}/edit`} data-key="e">
          Edit
        </a>
      </YesOrNo>
      <p class="soft">Keyboard: a, e and r select a button; Enter presses it.</p>
    </Form>
  )
}

async function editPage(c: PortalContext, id: string) {
  const { approval: of, rendered } = await getApproval(c.var.ctx, id)
  if (!rendered || of.status !== 'pending') return await approvalPage(c, id, 409)
  return await page(
    c,
    'Edit the message',
    <>
      <p class="lead">Saving makes a new message, which you then read and approve as it will be sent.</p>
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
          hint="If you leave this empty, the message has only its text."
          attributes={{ spellcheck: 'false', class: 'mono' }}
        />
        <div class="actions">
          <button class="primary" type="submit">
            Save and review
          </button>
          <a class="button" href={`/portal/approvals/${id}`}>
            Cancel
          </a>
        </div>
      </Form>
    </>,
  )
}

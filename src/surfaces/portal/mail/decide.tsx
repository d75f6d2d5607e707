import { Hono } from 'hono'
import { Fault } from '../../../core/ground/fault.ts'
import { decideByToken, readToken } from '../../../core/notices/tokens.ts'
import { getApproval } from '../../../core/sending/approvals.ts'
import { formOf } from '../forms/form.ts'
import { MessageView, messageFrame } from '../parts/message.tsx'
import { Field, Time } from '../parts/parts.tsx'
import type { Portal, PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

/** Where the link in a notice leads: whoever follows it only reads; the button decides, once. */
export const deciding = new Hono<Portal>()

deciding.get('/decide/:token', async (c) => {
  const token = c.req.param('token')
  const found = await openApproval(c, token)
  if (found === null) return await unknownLink(c)
  if (found === 'over') return await overLink(c)
  const { approval, rendered, send } = found
  return await page(
    c,
    `May this go to ${send.recipients[0]?.email ?? 'nobody'}?`,
    <>
      <p class="lead">
        It is held: {approval.holdReason.replaceAll('_', ' ')}. Undecided, it is rejected at{' '}
        <Time at={approval.expiresAt} />.
      </p>
      <MessageView rendered={rendered} path={`/portal/decide/${token}/message`} />
      <form method="post" action={`/portal/decide/${token}`}>
        <Field c={c} label="Reason, if you reject it" name="reason" attributes={{ maxlength: 500 }} />
        <div class="actions">
          <button class="primary" type="submit" name="decision" value="approve" data-key="a">
            Approve
          </button>
          <button class="danger" type="submit" name="decision" value="reject" data-key="r">
            Reject
          </button>
        </div>
      </form>
      <p class="soft">
        To change it first, <a href={`/portal/approvals/${approval.id}`}>open it in the portal</a>.
      </p>
    </>,
  )
})

deciding.get('/decide/:token/message', async (c) => {
  const found = await openApproval(c, c.req.param('token'))
  return messageFrame(c, found === null || found === 'over' ? null : found.rendered)
})

deciding.post('/decide/:token', async (c) => {
  const { decision, reason } = await formOf(c)
  if (decision !== 'approve' && decision !== 'reject') {
    return await page(c, 'Nothing was decided', <p>Choose whether to approve or to reject.</p>, 422)
  }
  const approve = decision === 'approve'
  try {
    await decideByToken(at(c), 'link', c.req.param('token'), { approve, reason: reason?.trim() || null })
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    if (error.code === 'not_found') return await unknownLink(c)
    if (['expired', 'already_decided', 'approval_stale'].includes(error.code)) return await overLink(c)
    throw error
  }
  return await page(
    c,
    approve ? 'Approved' : 'Rejected',
    <p>{approve ? 'The message leaves, as soon as the rules allow it.' : 'The message does not leave.'}</p>,
  )
})

const at = (c: PortalContext) => ({ env: c.env, now: c.get('now') })

/** The approval that a link is for, while it waits with the very bytes that the notice was about. */
async function openApproval(c: PortalContext, token: string) {
  const entitled = await readToken(at(c), 'link', token)
  if (!entitled) return null
  if (!entitled.isOpen) return 'over'
  const { approval, send, rendered } = await getApproval(entitled.ctx, entitled.approvalId)
  const isSame = approval.status === 'pending' && approval.sha256 === entitled.sha256
  return isSame && rendered ? { approval, send, rendered } : 'over'
}

async function unknownLink(c: PortalContext) {
  const text = <p>It may have been cut short on its way. Open it again from the letter, or copy all of it.</p>
  return await page(c, 'This link is not valid', text, 404)
}

async function overLink(c: PortalContext) {
  return await page(
    c,
    'This has been decided, or has run out',
    <p>
      A link decides once, and only about the message it was mailed for.{' '}
      <a href="/portal/approvals">See what waits</a>
    </p>,
    410,
  )
}

import { Hono } from 'hono'
import { Fault } from '../../../core/ground/fault.ts'
import { decideByToken, readToken } from '../../../core/notices/tokens.ts'
import { getApproval } from '../../../core/sending/approvals.ts'
import { envAndNow, type Portal, type PortalContext } from '../context.ts'
import { formOf } from '../forms/form.ts'
import { Field } from '../parts/fields.tsx'
import { YesOrNo } from '../parts/forms.tsx'
import { fileAnswer, MessageView, messageFrame, reviewed } from '../parts/message.tsx'
import { recipientsInShort, Time, words } from '../parts/text.tsx'
import { page } from '../shell.tsx'

/** Where the link in a notice leads. Following the link shows the message; only a button decides, once. */
export const deciding = new Hono<Portal>()

deciding.get('/decide/:token', async (c) => {
  const token = c.req.param('token')
  const found = await openApproval(c, token)
  if (found === null) return await unknownLink(c)
  if (found === 'over') return await overLink(c)
  const { approval, rendered, send } = found
  return await page(
    c,
    `Send this to ${recipientsInShort(send)}?`,
    <>
      <p class="lead">
        Why it is held: {words(approval.holdReason)}. If nobody decides, it is rejected at{' '}
        <Time at={approval.expiresAt} />.
      </p>
      <MessageView of={await reviewed(rendered)} path={`/portal/decide/${token}`} />
      <form method="post" action={`/portal/decide/${token}`}>
        <Field c={c} label="Reason, if you reject it" name="reason" attributes={{ maxlength: 500 }} />
        <YesOrNo name="decision" yes="Approve" no="Reject" />
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

deciding.get('/decide/:token/files/:hash', async (c) => {
  const found = await openApproval(c, c.req.param('token'))
  if (found === null) return await unknownLink(c)
  if (found === 'over') return await overLink(c)
  return (await fileAnswer(c, found.rendered, c.req.param('hash'))) ?? (await unknownLink(c))
})

deciding.post('/decide/:token', async (c) => {
  const { decision, reason } = await formOf(c)
  if (decision !== 'approve' && decision !== 'reject') {
    return await page(c, 'Nothing was decided', <p>Choose whether to approve or to reject.</p>, 422)
  }
  const approve = decision === 'approve'
  try {
    await decideByToken(envAndNow(c), 'link', c.req.param('token'), {
      approve,
      reason: reason?.trim() || null,
    })
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    if (error.code === 'not_found') return await unknownLink(c)
    if (['expired', 'already_decided', 'approval_stale'].includes(error.code)) return await overLink(c)
    throw error
  }
  return await page(
    c,
    approve ? 'Approved' : 'Rejected',
    <p>{approve ? 'The message is sent as soon as the rules allow it.' : 'The message is not sent.'}</p>,
  )
})

/** The approval that a link is for, while it is pending and the message is still the one that the notice showed. */
async function openApproval(c: PortalContext, token: string) {
  const entitled = await readToken(envAndNow(c), 'link', token)
  if (!entitled) return null
  if (!entitled.isOpen) return 'over'
  const { approval, send, rendered } = await getApproval(entitled.ctx, entitled.approvalId)
  const isSame = approval.status === 'pending' && approval.sha256 === entitled.sha256
  return isSame && rendered ? { approval, send, rendered } : 'over'
}

async function unknownLink(c: PortalContext) {
  return await page(
    c,
    'This link is not valid',
    <p>Part of it may be missing. Open it again from the letter, or copy the whole link.</p>,
    404,
  )
}

async function overLink(c: PortalContext) {
  return await page(
    c,
    'This is already decided or has expired',
    <p>
      A link decides once, and only about the message it was mailed for.{' '}
      <a href="/portal/approvals">See what is waiting</a>
    </p>,
    410,
  )
}

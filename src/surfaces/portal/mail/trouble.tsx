import { Hono } from 'hono'
import { listDeadLetters, replayDeadLetter } from '../../../core/delivery/dead-letters.ts'
import { may } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { listSends, resolveUnknown } from '../../../core/sending/sends.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { formOf } from '../forms/form.ts'
import { ButtonForm, Form } from '../parts/forms.tsx'
import { Listing, pageById } from '../parts/list.tsx'
import { recipientsInShort, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'

const OUTCOMES = ['delivered', 'failed', 'resend'] as const

/** What only a person can resolve: ambiguous sends and dead letters. */
export const trouble = new Hono<Portal>()

trouble.get('/trouble', async (c) => {
  const [unknown, deadLetters] = await Promise.all([
    pageById(c, (part) => listSends(c.var.ctx, { states: ['unknown'], ...part }), { by: 'unknown' }),
    pageById(c, (part) => listDeadLetters(c.var.ctx, { isOpen: true, ...part })),
  ])
  const mayManage = may(c.var.ctx, 'manage')
  return await page(
    c,
    'Trouble',
    <>
      <h2>Sends with an unknown outcome</h2>
      <p>
        The connection broke while the carrier was taking the message. Check at the carrier whether the
        message was sent, and record the outcome here. If you send it again, the recipient may get it twice.
      </p>
      <Listing
        c={c}
        of={unknown}
        caption="Sends with an unknown outcome"
        head={['To', 'Carrier', 'Since', '']}
        row={(send) => [
          <a href={`/portal/sends/${send.id}`}>{recipientsInShort(send)}</a>,
          send.carrier ?? '',
          <Time at={send.updatedAt} />,
          mayManage ? <Outcomes c={c} sendId={send.id} /> : null,
        ]}
      >
        There are none.
      </Listing>
      <h2>Dead letters</h2>
      <p>Work that failed too often and is no longer tried.</p>
      <Listing
        c={c}
        of={deadLetters}
        caption="Dead letters"
        head={['Queue', 'About', 'Why', 'Since', '']}
        row={({ id, queue, refId, reason, createdAt }) => [
          queue,
          refId.startsWith('req_') ? <a href={`/portal/sends/${refId}`}>{refId}</a> : refId,
          reason,
          <Time at={createdAt} />,
          mayManage ? (
            <ButtonForm c={c} action={`/portal/trouble/dead-letters/${id}`} class="small" about={refId}>
              Try again
            </ButtonForm>
          ) : null,
        ]}
      >
        There are none.
      </Listing>
    </>,
  )
})

function Outcomes({ c, sendId }: { c: PortalContext; sendId: string }) {
  return (
    <Form c={c} action={`/portal/trouble/unknown/${sendId}`} class="row">
      {OUTCOMES.map((outcome) => (
        <button
          class="small"
          type="submit"
          name="outcome"
          value={outcome}
          data-confirm={
            outcome === 'resend'
              ? 'Send it again? It may arrive twice.'
              : `Record it as ${outcome}? This cannot be undone.`
          }
        >
          {outcome === 'resend' ? 'Send again' : `It was ${outcome}`}
        </button>
      ))}
    </Form>
  )
}

trouble.post('/trouble/unknown/:sendId', async (c) => {
  const { outcome: given } = await formOf(c)
  const outcome = OUTCOMES.find((each) => each === given)
  if (!outcome) {
    throw new Fault('invalid', 'Choose the outcome: delivered, failed or resend.', { field: 'outcome' })
  }
  await resolveUnknown(c.var.ctx, c.req.param('sendId'), outcome)
  const notice = outcome === 'resend' ? 'The message is being sent again.' : `It is recorded as ${outcome}.`
  return done(c, '/portal/trouble', notice)
})

trouble.post('/trouble/dead-letters/:deadLetterId', async (c) => {
  await replayDeadLetter(c.var.ctx, c.req.param('deadLetterId'))
  return done(c, '/portal/trouble', 'The work will be tried again.')
})

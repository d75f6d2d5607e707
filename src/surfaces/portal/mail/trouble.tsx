import { Hono } from 'hono'
import { listDeadLetters, replayDeadLetter } from '../../../core/delivery/dead-letters.ts'
import { may } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { listSends, resolveUnknown } from '../../../core/sending/sends.ts'
import { formOf } from '../forms/form.ts'
import { Form, Listing, pageOf, Time } from '../parts/parts.tsx'
import { done, type Portal } from '../session.ts'
import { page } from '../shell.tsx'

const OUTCOMES = ['delivered', 'failed', 'resend'] as const

/** What nobody but a person can mend: sends of which it is unknown whether they left, and work that stopped. */
export const trouble = new Hono<Portal>()

trouble.get('/trouble', async (c) => {
  const [unknown, letters] = await Promise.all([
    pageOf(
      c,
      (part) => listSends(c.var.ctx, { states: ['unknown'], ...part }),
      ({ id }) => id,
      { by: 'unknown' },
    ),
    pageOf(
      c,
      (part) => listDeadLetters(c.var.ctx, { isOpen: true, ...part }),
      ({ id }) => id,
    ),
  ])
  const mayMend = may(c.var.ctx, 'manage')
  return await page(
    c,
    'Trouble',
    <>
      <h2>Sends of which nobody knows</h2>
      <p>
        The line broke after the message was handed over. Look at the carrier whether it left, then say so;
        sent again, the recipient may get it twice.
      </p>
      <Listing
        c={c}
        of={unknown}
        caption="Unknown sends"
        head={['To', 'Carrier', 'Since', '']}
        row={(send) => [
          <a href={`/portal/sends/${send.id}`}>{send.recipients[0]?.email}</a>,
          send.carrier ?? '',
          <Time at={send.updatedAt} />,
          mayMend ? (
            <Form c={c} action={`/portal/trouble/unknown/${send.id}`} class="row">
              {OUTCOMES.map((outcome) => (
                <button
                  class="small"
                  type="submit"
                  name="outcome"
                  value={outcome}
                  data-confirm={
                    outcome === 'resend'
                      ? 'Send it again? It may arrive twice.'
                      : `Count it as ${outcome}? That stays.`
                  }
                >
                  {outcome === 'resend' ? 'Send again' : `It was ${outcome}`}
                </button>
              ))}
            </Form>
          ) : null,
        ]}
      >
        There are none.
      </Listing>
      <h2>Dead letters</h2>
      <Listing
        c={c}
        of={letters}
        caption="Dead letters"
        head={['Queue', 'About', 'Why', 'Since', '']}
        row={({ id, queue, refId, reason, createdAt }) => [
          queue,
          refId.startsWith('req_') ? <a href={`/portal/sends/${refId}`}>{refId}</a> : refId,
          reason,
          <Time at={createdAt} />,
          mayMend ? (
            <Form c={c} action={`/portal/trouble/dead-letters/${id}`}>
              <button class="small" type="submit">
                Try again <span class="visually-hidden">{refId}</span>
              </button>
            </Form>
          ) : null,
        ]}
      >
        No work has stopped.
      </Listing>
    </>,
  )
})

trouble.post('/trouble/unknown/:sendId', async (c) => {
  const { outcome: given } = await formOf(c)
  const outcome = OUTCOMES.find((each) => each === given)
  if (!outcome) throw new Fault('invalid', 'Say what became of it.', { field: 'outcome' })
  await resolveUnknown(c.var.ctx, c.req.param('sendId'), outcome)
  return done(c, '/portal/trouble', outcome === 'resend' ? 'It is sent again.' : `It counts as ${outcome}.`)
})

trouble.post('/trouble/dead-letters/:deadLetterId', async (c) => {
  await replayDeadLetter(c.var.ctx, c.req.param('deadLetterId'))
  return done(c, '/portal/trouble', 'It is tried again.')
})

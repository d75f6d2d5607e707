import { Hono } from 'hono'
import { may } from '../../../core/ground/ctx.ts'
import { getDelivery, listDeliveries, replayDelivery } from '../../../core/publishing/webhooks/deliveries.ts'
import { deleteWebhook, getWebhook, updateWebhook } from '../../../core/publishing/webhooks/webhooks.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { formOf } from '../forms/form.ts'
import { ButtonForm, Form } from '../parts/forms.tsx'
import { Listing, type Paged, pageById } from '../parts/list.tsx'
import { Badge, Empty, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'

type Delivery = Awaited<ReturnType<typeof listDeliveries>>[number]
type Attempt = Awaited<ReturnType<typeof getDelivery>>['attempts'][number]

/** One webhook with its deliveries, and each delivery with its attempts. */
export const webhook = new Hono<Portal>()

webhook.get('/webhooks/:webhookId', async (c) => {
  const id = c.req.param('webhookId')
  const { webhook: of } = await getWebhook(c.var.ctx, id)
  const found = await pageById(c, (part) => listDeliveries(c.var.ctx, id, part))
  return await page(
    c,
    of.description ?? 'Webhook',
    <>
      <p class="lead">
        <Badge state={of.isActive ? 'active' : 'paused'} /> <code>{of.url}</code> {of.disabledReason ?? ''}
      </p>
      {may(c.var.ctx, 'manage') ? (
        <div class="row">
          <Form c={c} action={`/portal/webhooks/${id}/switch`}>
            <button type="submit" name="active" value={of.isActive ? 'no' : 'yes'}>
              {of.isActive ? 'Switch off' : 'Switch on'}
            </button>
          </Form>
          <ButtonForm
            c={c}
            action={`/portal/webhooks/${id}/delete`}
            class="danger"
            confirm="Delete this webhook and the record of its deliveries?"
          >
            Delete
          </ButtonForm>
        </div>
      ) : null}
      <h2>Deliveries</h2>
      <Deliveries c={c} id={id} found={found} />
    </>,
  )
})

function Deliveries({ c, id, found }: { c: PortalContext; id: string; found: Paged<Delivery> }) {
  const mayManage = may(c.var.ctx, 'manage')
  return (
    <Listing
      c={c}
      of={found}
      caption="Deliveries"
      head={['Event', 'State', 'Attempts', 'Answer', 'Since', '']}
      row={(delivery) => [
        <a href={`/portal/webhooks/${id}/deliveries/${delivery.id}`}>{delivery.eventType}</a>,
        <Badge state={delivery.state} />,
        delivery.attempts,
        delivery.statusCode ?? delivery.error ?? '',
        <Time at={delivery.createdAt} />,
        mayManage && delivery.state !== 'pending' ? (
          <ButtonForm
            c={c}
            action={`/portal/webhooks/${id}/deliveries/${delivery.id}/replay`}
            class="small"
            about={delivery.eventType}
          >
            Send again
          </ButtonForm>
        ) : null,
      ]}
    >
      Nothing has been delivered yet.
    </Listing>
  )
}

webhook.get('/webhooks/:webhookId/deliveries/:deliveryId', async (c) => {
  const { webhookId, deliveryId } = c.req.param()
  const { delivery, attempts } = await getDelivery(c.var.ctx, webhookId, deliveryId)
  return await page(
    c,
    delivery.eventType,
    <>
      <p class="lead">
        <Badge state={delivery.state} /> <Time at={delivery.createdAt} />
      </p>
      {attempts.length === 0 ? <Empty>No attempt has been made yet.</Empty> : null}
      {attempts.map((attempt) => (
        <AttemptCard attempt={attempt} />
      ))}
    </>,
  )
})

function AttemptCard({ attempt }: { attempt: Attempt }) {
  return (
    <div class="card">
      <h2>
        Attempt {attempt.attempt}: {attempt.statusCode ?? attempt.error ?? 'no answer'}
      </h2>
      <p class="soft">
        <Time at={attempt.at} />, {attempt.durationMs} ms
      </p>
      <pre>{attempt.request}</pre>
      {attempt.response ? (
        <>
          <h3>The answer</h3>
          <pre>{attempt.response}</pre>
        </>
      ) : null}
    </div>
  )
}

webhook.post('/webhooks/:webhookId/deliveries/:deliveryId/replay', async (c) => {
  const { webhookId, deliveryId } = c.req.param()
  await replayDelivery(c.var.ctx, webhookId, deliveryId)
  return done(c, `/portal/webhooks/${webhookId}`, 'The event is being sent again.')
})

webhook.post('/webhooks/:webhookId/switch', async (c) => {
  const id = c.req.param('webhookId')
  const isActive = (await formOf(c)).active === 'yes'
  await updateWebhook(c.var.ctx, id, { isActive })
  return done(c, `/portal/webhooks/${id}`, `The webhook is switched ${isActive ? 'on' : 'off'}.`)
})

webhook.post('/webhooks/:webhookId/delete', async (c) => {
  await deleteWebhook(c.var.ctx, c.req.param('webhookId'))
  return done(c, '/portal/webhooks', 'The webhook is deleted.')
})

import { Hono } from 'hono'
import { may } from '../../../core/ground/ctx.ts'
import { getDelivery, listDeliveries, replayDelivery } from '../../../core/publishing/webhooks/deliveries.ts'
import {
  createWebhook,
  deleteWebhook,
  getWebhook,
  listWebhooks,
  updateWebhook,
} from '../../../core/publishing/webhooks/webhooks.ts'
import { formOf } from '../forms/form.ts'
import { posted } from '../forms/posted.ts'
import { Badge, Empty, Field, Form, Listing, pageOf, Time } from '../parts/parts.tsx'
import { secretPage } from '../parts/secret.tsx'
import { done, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

/** Who is told of what happens, what was delivered to them, and what was not. */
export const webhooks = new Hono<Portal>()

webhooks.get('/webhooks', webhooksPage)

webhooks.post('/webhooks', async (c) => {
  return await posted(c, {
    async act({ url = '', description }) {
      const { id, secret } = await createWebhook(c.var.ctx, {
        url: url.trim(),
        eventTypes: [],
        description: description?.trim() || null,
        isActive: true,
        agentId: null,
      })
      return await secretPage(c, {
        title: 'Your new webhook',
        secret,
        what: 'the secret',
        note: 'The secret that signs what it is sent is shown this once. Copy it now.',
        back: `/portal/webhooks/${id}`,
      })
    },
    again: () => webhooksPage(c),
    mended: ['invalid', 'conflict'],
  })
})

webhooks.get('/webhooks/:webhookId', async (c) => {
  const id = c.req.param('webhookId')
  const { webhook } = await getWebhook(c.var.ctx, id)
  const found = await pageOf(
    c,
    (part) => listDeliveries(c.var.ctx, id, part),
    (delivery) => delivery.id,
  )
  const mayManage = may(c.var.ctx, 'manage')
  return await page(
    c,
    webhook.description ?? 'Webhook',
    <>
      <p class="lead">
        <Badge state={webhook.isActive ? 'active' : 'paused'} /> <code>{webhook.url}</code>{' '}
        {webhook.disabledReason ?? ''}
      </p>
      {mayManage ? (
        <div class="row">
          <Form c={c} action={`/portal/webhooks/${id}/switch`}>
            <button type="submit" name="active" value={webhook.isActive ? 'no' : 'yes'}>
              {webhook.isActive ? 'Switch off' : 'Switch on'}
            </button>
          </Form>
          <Form c={c} action={`/portal/webhooks/${id}/delete`}>
            <button
              class="danger"
              type="submit"
              data-confirm="Delete this webhook and all it tells of its deliveries?"
            >
              Delete
            </button>
          </Form>
        </div>
      ) : null}
      <h2>Deliveries</h2>
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
            <Form c={c} action={`/portal/webhooks/${id}/deliveries/${delivery.id}/replay`}>
              <button class="small" type="submit">
                Send again <span class="visually-hidden">{delivery.eventType}</span>
              </button>
            </Form>
          ) : null,
        ]}
      >
        Nothing has been delivered yet.
      </Listing>
    </>,
  )
})

webhooks.get('/webhooks/:webhookId/deliveries/:deliveryId', async (c) => {
  const { webhookId, deliveryId } = c.req.param()
  const { delivery, attempts } = await getDelivery(c.var.ctx, webhookId, deliveryId)
  return await page(
    c,
    delivery.eventType,
    <>
      <p class="lead">
        <Badge state={delivery.state} /> <Time at={delivery.createdAt} />
      </p>
      {attempts.length === 0 ? <Empty>It has not been tried yet.</Empty> : null}
      {attempts.map((attempt) => (
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
      ))}
    </>,
  )
})

webhooks.post('/webhooks/:webhookId/deliveries/:deliveryId/replay', async (c) => {
  const { webhookId, deliveryId } = c.req.param()
  await replayDelivery(c.var.ctx, webhookId, deliveryId)
  return done(c, `/portal/webhooks/${webhookId}`, 'It is sent again.')
})

webhooks.post('/webhooks/:webhookId/switch', async (c) => {
  const id = c.req.param('webhookId')
  const isActive = (await formOf(c)).active === 'yes'
  await updateWebhook(c.var.ctx, id, { isActive })
  return done(c, `/portal/webhooks/${id}`, isActive ? 'It is switched on.' : 'It is switched off.')
})

webhooks.post('/webhooks/:webhookId/delete', async (c) => {
  await deleteWebhook(c.var.ctx, c.req.param('webhookId'))
  return done(c, '/portal/webhooks', 'The webhook is deleted.')
})

async function webhooksPage(c: PortalContext) {
  const found = await pageOf(
    c,
    (part) => listWebhooks(c.var.ctx, part),
    ({ id }) => id,
  )
  return await page(
    c,
    'Webhooks',
    <>
      <Listing
        c={c}
        of={found}
        caption="Webhooks"
        head={['Address', 'State', 'Events', 'Made']}
        row={(webhook) => [
          <a href={`/portal/webhooks/${webhook.id}`}>{webhook.description ?? webhook.url}</a>,
          <Badge state={webhook.isActive ? 'active' : 'paused'} />,
          webhook.eventTypes.length === 0 ? 'all' : webhook.eventTypes.join(', '),
          <Time at={webhook.createdAt} />,
        ]}
      >
        Nobody is told of what happens.
      </Listing>
      {may(c.var.ctx, 'manage') ? (
        <Form c={c} action="/portal/webhooks" class="card">
          <h2>A new webhook</h2>
          <Field
            c={c}
            label="URL"
            name="url"
            attributes={{ type: 'url', required: true }}
            hint="It is told of all events, signed."
          />
          <Field c={c} label="What it is" name="description" attributes={{ maxlength: 200 }} />
          <div class="actions">
            <button class="primary" type="submit">
              Make a webhook
            </button>
          </div>
        </Form>
      ) : null}
    </>,
  )
}

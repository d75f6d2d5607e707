import { Hono } from 'hono'
import { may } from '../../core/ctx.ts'
import { Fault } from '../../core/fault.ts'
import { getDelivery, listDeliveries, replayDelivery } from '../../core/webhooks/deliveries.ts'
import {
  createWebhook,
  deleteWebhook,
  getWebhook,
  listWebhooks,
  updateWebhook,
} from '../../core/webhooks/webhooks.ts'
import { showsSecret } from '../http.ts'
import {
  asked,
  Badge,
  Empty,
  Field,
  Form,
  PAGE,
  Pager,
  paged,
  Table,
  Time,
  Trouble,
  type Wrong,
  wrongOf,
} from './parts.tsx'
import { done, formOf, type Portal, type PortalContext } from './session.ts'
import { page } from './shell.tsx'

/** Who is told of what happens, what was delivered to them, and what was not. */
export const webhooks = new Hono<Portal>()

webhooks.get('/webhooks', async (c) => await webhooksPage(c, '', null))

webhooks.post('/webhooks', async (c) => {
  const { url = '', description } = await formOf(c)
  try {
    const { id, secret } = await createWebhook(c.var.ctx, {
      url: url.trim(),
      eventTypes: [],
      description: description?.trim() || null,
      isActive: true,
      agentId: null,
    })
    showsSecret(c)
    return await page(
      c,
      'Your new webhook',
      <>
        <p class="note">The secret that signs what it is sent is shown this once. Copy it now.</p>
        <p class="secret">{secret}</p>
        <p>
          <a class="button" href={`/portal/webhooks/${id}`}>
            I have copied it
          </a>
        </p>
      </>,
    )
  } catch (error) {
    if (!(error instanceof Fault) || !['invalid', 'conflict'].includes(error.code)) throw error
    return await webhooksPage(c, url, wrongOf(error))
  }
})

webhooks.get('/webhooks/:webhookId', async (c) => {
  const id = c.req.param('webhookId')
  const { webhook } = await getWebhook(c.var.ctx, id)
  const { shown, next } = paged(
    await listDeliveries(c.var.ctx, id, { before: asked(c, 'before'), limit: PAGE + 1 }),
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
      {shown.length === 0 ? (
        <Empty>Nothing has been delivered yet.</Empty>
      ) : (
        <Table
          caption="Deliveries"
          head={['Event', 'State', 'Attempts', 'Answer', 'Since', '']}
          rows={shown.map((delivery) => [
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
          ])}
        />
      )}
      <Pager c={c} next={next} />
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

async function webhooksPage(c: PortalContext, url: string, wrong: Wrong | null) {
  const { shown, next } = paged(
    await listWebhooks(c.var.ctx, { before: asked(c, 'before'), limit: PAGE + 1 }),
    ({ id }) => id,
  )
  return await page(
    c,
    'Webhooks',
    <>
      <Trouble wrong={wrong && wrong.field !== 'url' ? wrong : null} />
      {shown.length === 0 ? (
        <Empty>Nobody is told of what happens.</Empty>
      ) : (
        <Table
          caption="Webhooks"
          head={['Address', 'State', 'Events', 'Made']}
          rows={shown.map((webhook) => [
            <a href={`/portal/webhooks/${webhook.id}`}>{webhook.description ?? webhook.url}</a>,
            <Badge state={webhook.isActive ? 'active' : 'paused'} />,
            webhook.eventTypes.length === 0 ? 'all' : webhook.eventTypes.join(', '),
            <Time at={webhook.createdAt} />,
          ])}
        />
      )}
      <Pager c={c} next={next} />
      {may(c.var.ctx, 'manage') ? (
        <Form c={c} action="/portal/webhooks" class="card">
          <h2>A new webhook</h2>
          <Field
            label="URL"
            name="url"
            value={url}
            wrong={wrong}
            attributes={{ type: 'url', required: true }}
            hint="It is told of all events, signed."
          />
          <Field label="What it is" name="description" attributes={{ maxlength: 200 }} />
          <div class="actions">
            <button class="primary" type="submit">
              Make a webhook
            </button>
          </div>
        </Form>
      ) : null}
    </>,
    wrong ? 422 : 200,
  )
}

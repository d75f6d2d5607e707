import { Hono } from 'hono'
import { may } from '../../../core/ground/ctx.ts'
import { createWebhook, listWebhooks } from '../../../core/publishing/webhooks/webhooks.ts'
import type { Portal, PortalContext } from '../context.ts'
import { posted } from '../forms/posted.ts'
import { Field } from '../parts/fields.tsx'
import { Form, Submit } from '../parts/forms.tsx'
import { Listing, pageById } from '../parts/list.tsx'
import { makers } from '../parts/maker.tsx'
import { secretPage } from '../parts/secret.tsx'
import { Badge, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'

/** The list of webhooks, and the form for a new one. */
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
        note: 'Each request to the webhook is signed with this secret. It is shown only once. Copy it now.',
        back: `/portal/webhooks/${id}`,
      })
    },
    again: () => webhooksPage(c),
    mended: ['invalid', 'conflict'],
  })
})

async function webhooksPage(c: PortalContext) {
  const [found, maker] = await Promise.all([pageById(c, (part) => listWebhooks(c.var.ctx, part)), makers(c)])
  return await page(
    c,
    'Webhooks',
    <>
      <Listing
        c={c}
        of={found}
        caption="Webhooks"
        head={['Address', 'State', 'Events', 'Made by', 'Created']}
        row={(webhook) => [
          <a href={`/portal/webhooks/${webhook.id}`}>{webhook.description ?? webhook.url}</a>,
          <Badge state={webhook.isActive ? 'active' : 'paused'} />,
          webhook.eventTypes.length === 0 ? 'all' : webhook.eventTypes.join(', '),
          maker(webhook.createdBy),
          <Time at={webhook.createdAt} />,
        ]}
      >
        There is no webhook yet.
      </Listing>
      {may(c.var.ctx, 'manage') ? <WebhookForm c={c} /> : null}
    </>,
  )
}

function WebhookForm({ c }: { c: PortalContext }) {
  return (
    <Form c={c} action="/portal/webhooks" class="card">
      <h2>A new webhook</h2>
      <Field
        c={c}
        label="URL"
        name="url"
        attributes={{ type: 'url', required: true }}
        hint="All events are sent to it, in signed requests."
      />
      <Field c={c} label="Description" name="description" attributes={{ maxlength: 200 }} />
      <Submit>Create a webhook</Submit>
    </Form>
  )
}

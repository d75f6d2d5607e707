import { and, eq } from 'drizzle-orm'
import { type Env, settings } from '../../env.ts'
import { domains } from '../../schema/accounts.ts'
import { webhooks } from '../../schema/publishing.ts'
import { database } from '../ground/ctx.ts'
import type { Due } from '../journal/event-types.ts'
import { readersOf } from '../journal/notice-readers.ts'
import { sendSystemMail } from './system-mail.ts'

type Letter = { about: string; subject: string; text: string }

/**
 * Mails the owners of a tenant about webhooks and domains that stopped working. About the same one they get one letter a day,
 * even if this runs again.
 */
export async function noticeTrouble(env: Env, now: Date, tenantId: string, events: Due[]): Promise<void> {
  for (const event of events) {
    const letter = await letterAbout(env, tenantId, event)
    if (!letter) continue
    const { about, subject, text } = letter
    const day = new Date(event.createdAt).toISOString().slice(0, 10)
    for (const { id, email } of await readersOf(env, tenantId, ['owner'])) {
      await sendSystemMail({ env, now }, { to: email, subject, text, key: `${about} ${id} ${day}` })
    }
  }
}

async function letterAbout(env: Env, tenantId: string, { type, refs }: Due): Promise<Letter | null> {
  if (type === 'webhook.disabled') return await aboutWebhook(env, tenantId, refs.webhookId ?? '', refs.reason)
  if (type === 'domain.failed') return await aboutDomain(env, tenantId, refs.domainId ?? '', refs.reason)
  return null
}

/** Names the host only: the path of a webhook's URL may contain a key. */
async function aboutWebhook(
  env: Env,
  tenantId: string,
  id: string,
  reason?: string | null,
): Promise<Letter | null> {
  const [webhook] = await database(env)
    .select({ url: webhooks.url })
    .from(webhooks)
    .where(and(eq(webhooks.tenantId, tenantId), eq(webhooks.id, id)))
  if (!webhook) return null
  const { host } = new URL(webhook.url)
  return {
    about: id,
    subject: 'A webhook was switched off',
    text: `${reason === 'gone' ? 'An endpoint answered 410, which means that it is gone' : 'For five days an endpoint has answered nothing but failures'}, so events are no longer sent to the webhook
${id}. Its host, as somebody entered it:

| ${host}

Repair the endpoint, switch the webhook on again, and replay the events it missed. Events are kept for 30 days.

${settings(env).publicUrl}/portal/webhooks/${id}
`,
  }
}

async function aboutDomain(
  env: Env,
  tenantId: string,
  id: string,
  reason?: string | null,
): Promise<Letter | null> {
  const [found] = await database(env)
    .select({ domain: domains.domain })
    .from(domains)
    .where(and(eq(domains.tenantId, tenantId), eq(domains.id, id)))
  if (!found) return null
  const { domain } = found
  return {
    about: id,
    subject: 'No mail can be sent from a domain of yours',
    text: `${reason === 'taken_over' ? 'Another account has proved that it owns a domain of yours, and your proof is no longer in DNS' : 'DNS records of a domain of yours are missing or changed'}, so mail from it is refused, and mail to it is not received. The domain, as somebody entered it:

| ${domain}

The records that must be there, and what was found:

${settings(env).publicUrl}/portal/domains/${id}
`,
  }
}

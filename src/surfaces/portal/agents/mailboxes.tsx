import { Hono } from 'hono'
import {
  getMailbox,
  listMailboxes,
  type MailboxChange,
  updateMailbox,
} from '../../../core/accounts/mailboxes.ts'
import { may } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import type { Form as Given } from '../forms/form.ts'
import { posted } from '../forms/posted.ts'
import { Badge, Field, Form, Listing, pageOf } from '../parts/parts.tsx'
import { done, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

const AUTONOMY = ['review', 'first_contact', 'auto'] as const
const MEANING: [string, string][] = [
  ['review', 'review: a person approves every send'],
  ['first_contact', 'first contact: until the contact is known'],
  ['auto', 'auto: within the rules'],
]

/** The mailboxes, and the policy of each. */
export const mailboxes = new Hono<Portal>()

mailboxes.get('/mailboxes', async (c) => {
  const found = await pageOf(
    c,
    (part) => listMailboxes(c.var.ctx, part),
    ({ id }) => id,
  )
  return await page(
    c,
    'Mailboxes',
    <Listing
      c={c}
      of={found}
      caption="Mailboxes"
      head={['Address', 'State', 'Autonomy', 'Reputation', 'Sent', 'Bounced']}
      row={(mailbox) => [
        <a href={`/portal/mailboxes/${mailbox.id}`}>{mailbox.address}</a>,
        <Badge state={mailbox.frozenAt ? 'frozen' : mailbox.status} />,
        mailbox.autonomy.replace('_', ' '),
        (mailbox.reputation / 1000).toFixed(3),
        mailbox.sentCount,
        mailbox.bouncedCount,
      ]}
    >
      There is no mailbox yet.
    </Listing>,
  )
})

mailboxes.get('/mailboxes/:mailboxId', async (c) => await mailboxPage(c, c.req.param('mailboxId')))

mailboxes.post('/mailboxes/:mailboxId', async (c) => {
  const id = c.req.param('mailboxId')
  return await posted(c, {
    async act(form) {
      await updateMailbox(c.var.ctx, id, changeIn(form))
      return done(c, `/portal/mailboxes/${id}`, 'The policy is changed. It counts from the next send on.')
    },
    again: () => mailboxPage(c, id),
  })
})

function changeIn(form: Given): MailboxChange {
  const count = (name: string, atMost = 10_000_000) => {
    const given = form[name]?.trim() ?? ''
    if (given === '') return null
    const value = Number(given)
    if (Number.isInteger(value) && value >= 0 && value <= atMost) return value
    throw new Fault('invalid', 'Give a whole number, 0 or more, or leave it empty.', { field: name })
  }
  const cooldown = count('cooldownMinutes', 525_600)
  return {
    displayName: form.displayName?.trim() || null,
    status: form.status === 'paused' ? 'paused' : 'active',
    autonomy: AUTONOMY.find((each) => each === form.autonomy),
    cooldownMs: cooldown === null ? null : cooldown * 60_000,
    hourlyLimit: count('hourlyLimit'),
    dailyLimit: count('dailyLimit'),
    monthlyLimit: count('monthlyLimit'),
    fatigueLimit: count('fatigueLimit'),
    riskBudget: count('riskBudget'),
    requireConsent: form.requireConsent === 'on',
    onUnknown: form.onUnknown === 'resend' ? 'resend' : 'hold',
  }
}

async function mailboxPage(c: PortalContext, id: string) {
  const mailbox = await getMailbox(c.var.ctx, id)
  const given = c.get('given')
  const number = { type: 'number', min: 0, inputmode: 'numeric' }
  const cooldown = mailbox.cooldownMs === null ? null : mailbox.cooldownMs / 60_000
  return await page(
    c,
    mailbox.address,
    <>
      <p class="lead">
        <Badge state={mailbox.frozenAt ? 'frozen' : mailbox.status} /> reputation{' '}
        {(mailbox.reputation / 1000).toFixed(3)} {mailbox.isDefault ? 'The default mailbox.' : ''}{' '}
        {may(c.var.ctx, 'manage') ? <a href={`/portal/smtp?mailbox=${id}`}>Hand in mail by SMTP</a> : null}
      </p>
      <Form c={c} action={`/portal/mailboxes/${id}`} class="card">
        <Field c={c} label="Display name" name="displayName" value={mailbox.displayName} />
        <Field
          c={c}
          label="State"
          name="status"
          value={mailbox.status}
          options={[
            ['active', 'active'],
            ['paused', 'paused: nothing leaves'],
          ]}
        />
        <Field c={c} label="Autonomy" name="autonomy" value={mailbox.autonomy} options={MEANING} />
        <Field
          c={c}
          label="Cooldown for each contact, in minutes"
          name="cooldownMinutes"
          value={cooldown}
          hint="Empty, the account's counts."
          attributes={{ ...number, step: 'any' }}
        />
        <Field
          c={c}
          label="Sends in an hour"
          name="hourlyLimit"
          value={mailbox.hourlyLimit}
          attributes={number}
          hint="Empty, the plan decides."
        />
        <Field
          c={c}
          label="Sends in a day"
          name="dailyLimit"
          value={mailbox.dailyLimit}
          attributes={number}
        />
        <Field
          c={c}
          label="Sends in a month"
          name="monthlyLimit"
          value={mailbox.monthlyLimit}
          attributes={number}
        />
        <Field
          c={c}
          label="Sends to one contact in a week"
          name="fatigueLimit"
          value={mailbox.fatigueLimit}
          attributes={number}
        />
        <Field
          c={c}
          label="Bounces and complaints in a day before it stops"
          name="riskBudget"
          value={mailbox.riskBudget}
          attributes={number}
        />
        <Field
          c={c}
          label="When nobody knows whether a message left"
          name="onUnknown"
          value={mailbox.onUnknown}
          options={[
            ['hold', 'wait for a person'],
            ['resend', 'send again, at the risk of two copies'],
          ]}
        />
        <label class="tick">
          <input
            type="checkbox"
            name="requireConsent"
            checked={given ? given.requireConsent === 'on' : mailbox.requireConsent}
          />
          Only to contacts who have consented
        </label>
        {may(c.var.ctx, 'manage') ? (
          <div class="actions">
            <button class="primary" type="submit">
              Change the policy
            </button>
          </div>
        ) : (
          <p class="note">Your role lets you read this.</p>
        )}
      </Form>
    </>,
  )
}

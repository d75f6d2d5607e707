import { Hono } from 'hono'
import { may } from '../../core/ctx.ts'
import { Fault } from '../../core/fault.ts'
import { getMailbox, listMailboxes, type MailboxChange, updateMailbox } from '../../core/mailboxes.ts'
import { Badge, Field, Form, Listing, pageOf, Trouble, type Wrong, wrongOf } from './parts.tsx'
import { done, formOf, type Form as Given, type Portal, type PortalContext } from './session.ts'
import { page } from './shell.tsx'

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

mailboxes.get(
  '/mailboxes/:mailboxId',
  async (c) => await mailboxPage(c, c.req.param('mailboxId'), null, null),
)

mailboxes.post('/mailboxes/:mailboxId', async (c) => {
  const id = c.req.param('mailboxId')
  const form = await formOf(c)
  try {
    await updateMailbox(c.var.ctx, id, changeIn(form))
  } catch (error) {
    return await mailboxPage(c, id, form, wrongOf(error))
  }
  return done(c, `/portal/mailboxes/${id}`, 'The policy is changed. It counts from the next send on.')
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

async function mailboxPage(c: PortalContext, id: string, given: Given | null, wrong: Wrong | null) {
  const mailbox = await getMailbox(c.var.ctx, id)
  const value = (name: string, standing: string | number | null) => given?.[name] ?? standing
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
      <Trouble wrong={wrong} />
      <Form c={c} action={`/portal/mailboxes/${id}`} class="card">
        <Field
          label="Display name"
          name="displayName"
          value={value('displayName', mailbox.displayName)}
          wrong={wrong}
        />
        <Field
          label="State"
          name="status"
          value={value('status', mailbox.status)}
          options={[
            ['active', 'active'],
            ['paused', 'paused: nothing leaves'],
          ]}
        />
        <Field
          label="Autonomy"
          name="autonomy"
          value={value('autonomy', mailbox.autonomy)}
          options={MEANING}
        />
        <Field
          label="Cooldown for each contact, in minutes"
          name="cooldownMinutes"
          value={value('cooldownMinutes', cooldown)}
          hint="Empty, the account's counts."
          wrong={wrong}
          attributes={{ ...number, step: 'any' }}
        />
        <Field
          label="Sends in an hour"
          name="hourlyLimit"
          value={value('hourlyLimit', mailbox.hourlyLimit)}
          wrong={wrong}
          attributes={number}
          hint="Empty, the plan decides."
        />
        <Field
          label="Sends in a day"
          name="dailyLimit"
          value={value('dailyLimit', mailbox.dailyLimit)}
          wrong={wrong}
          attributes={number}
        />
        <Field
          label="Sends in a month"
          name="monthlyLimit"
          value={value('monthlyLimit', mailbox.monthlyLimit)}
          wrong={wrong}
          attributes={number}
        />
        <Field
          label="Sends to one contact in a week"
          name="fatigueLimit"
          value={value('fatigueLimit', mailbox.fatigueLimit)}
          wrong={wrong}
          attributes={number}
        />
        <Field
          label="Bounces and complaints in a day before it stops"
          name="riskBudget"
          value={value('riskBudget', mailbox.riskBudget)}
          wrong={wrong}
          attributes={number}
        />
        <Field
          label="When nobody knows whether a message left"
          name="onUnknown"
          value={value('onUnknown', mailbox.onUnknown)}
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
    wrong ? 422 : 200,
  )
}

import { Hono } from 'hono'
import {
  getMailbox,
  listMailboxes,
  type MailboxChange,
  updateMailbox,
} from '../../../core/accounts/mailboxes.ts'
import { may } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import type { Form as Given } from '../forms/form.ts'
import { posted } from '../forms/posted.ts'
import { Field, type Option, Tick } from '../parts/fields.tsx'
import { Form, Submit } from '../parts/forms.tsx'
import { Listing, pageById } from '../parts/list.tsx'
import { Badge, words } from '../parts/text.tsx'
import { page } from '../shell.tsx'

type Mailbox = Awaited<ReturnType<typeof getMailbox>>

const AUTONOMY = ['review', 'first_contact', 'auto'] as const
const AUTONOMY_OPTIONS: Option[] = [
  ['review', 'review: a person approves every send'],
  ['first_contact', 'first contact: a person approves the first send to each contact'],
  ['auto', 'auto: no send needs approval, but the rules still apply'],
]

const LIMITS = [
  {
    name: 'hourlyLimit',
    label: 'Sends per hour',
    hint: 'If you leave this empty, the limit of the plan applies.',
  },
  { name: 'dailyLimit', label: 'Sends per day' },
  { name: 'monthlyLimit', label: 'Sends per month' },
  { name: 'fatigueLimit', label: 'Sends to one contact per week' },
  { name: 'riskBudget', label: 'Sending stops after this many bounces and complaints per day' },
] as const

/** The mailboxes, and the policy of each. */
export const mailboxes = new Hono<Portal>()

mailboxes.get('/mailboxes', async (c) => {
  const found = await pageById(c, (part) => listMailboxes(c.var.ctx, part))
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
        <State mailbox={mailbox} />,
        words(mailbox.autonomy),
        reputationOf(mailbox),
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
      return done(c, `/portal/mailboxes/${id}`, 'Saved. The policy applies from the next send on.')
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
    const message = `Enter a whole number from 0 to ${atMost.toLocaleString('en')}, or leave the field empty.`
    throw new Fault('invalid', message, { field: name })
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
  const mayManage = may(c.var.ctx, 'manage')
  return await page(
    c,
    mailbox.address,
    <>
      <p class="lead">
        <State mailbox={mailbox} /> reputation {reputationOf(mailbox)}.{' '}
        {mailbox.isDefault ? 'This is the default mailbox.' : ''}{' '}
        {mayManage ? <a href={`/portal/smtp?mailbox=${id}`}>Send from it by SMTP</a> : null}
      </p>
      <Form c={c} action={`/portal/mailboxes/${id}`} class="card">
        <PolicyFields c={c} mailbox={mailbox} />
        {mayManage ? <Submit>Save the policy</Submit> : <p class="note">Your role may only read this.</p>}
      </Form>
    </>,
  )
}

function PolicyFields({ c, mailbox }: { c: PortalContext; mailbox: Mailbox }) {
  const number = { type: 'number', min: 0, inputmode: 'numeric' }
  const given = c.get('given')
  return (
    <>
      <Field c={c} label="Display name" name="displayName" value={mailbox.displayName} />
      <Field
        c={c}
        label="State"
        name="status"
        value={mailbox.status}
        options={[
          ['active', 'active'],
          ['paused', 'paused: nothing is sent'],
        ]}
      />
      <Field c={c} label="Autonomy" name="autonomy" value={mailbox.autonomy} options={AUTONOMY_OPTIONS} />
      <Field
        c={c}
        label="Cooldown for each contact, in minutes"
        name="cooldownMinutes"
        value={mailbox.cooldownMs === null ? null : mailbox.cooldownMs / 60_000}
        hint="If you leave this empty, the cooldown of the account applies."
        attributes={{ ...number, step: 'any' }}
      />
      {LIMITS.map(({ name, ...limit }) => (
        <Field c={c} name={name} value={mailbox[name]} attributes={number} {...limit} />
      ))}
      <Field
        c={c}
        label="If it is unknown whether a message was sent"
        name="onUnknown"
        value={mailbox.onUnknown}
        options={[
          ['hold', 'wait for a person to decide'],
          ['resend', 'send again; the recipient may get two copies'],
        ]}
      />
      <Tick name="requireConsent" checked={given ? given.requireConsent === 'on' : mailbox.requireConsent}>
        Send only to contacts who have given consent
      </Tick>
    </>
  )
}

const State = ({ mailbox }: { mailbox: Mailbox }) => (
  <Badge state={mailbox.frozenAt ? 'frozen' : mailbox.status} />
)

const reputationOf = ({ reputation }: Mailbox) => (reputation / 1000).toFixed(3)

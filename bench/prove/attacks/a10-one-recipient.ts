import type { Attack, Guard } from './attack.ts'
import type { Relayed } from './relay.ts'
import { eventually, type World } from './world.ts'

/** A mail to 26 people through a relay. The last one is the attacker, who knows the return path of their own copy. */
async function mailToMany(world: World, more: { bcc?: boolean; first?: string } = {}) {
  const tenant = await world.newTenant()
  await tenant.owner.patch(`/v1/agent/mailboxes/${tenant.mailboxId}`, {
    carriers: [{ carrier: 'smtp', weight: 1 }],
  })
  const domain = `${world.unique()}.example.org`
  const emails = Array.from({ length: 26 }, (_, position) => `p${position}@${domain}`)
  if (more.first) emails[0] = `${more.first}@${domain}`
  const [attacker = ''] = emails.slice(-1)
  const innocent = emails.slice(0, -1)
  const { body, status } = await tenant.post('/v1/messages', {
    to: more.bcc ? innocent : emails,
    ...(more.bcc ? { bcc: [attacker] } : {}),
    subject: 'To all of you',
    text: 'Hello',
  })
  if (status !== 202) throw new Error(`the mail was refused: ${JSON.stringify(body)}`)
  const copies = () => world.relay.mails.filter(({ to }) => to.some((email) => email.endsWith(`@${domain}`)))
  const own = await eventually(async () => copies().find(({ to }) => to.includes(attacker)))
  const before = effect()

  function effect() {
    const hit = world
      .db()
      .prepare(
        `SELECT email FROM send_recipients WHERE tenant_id = ?1 AND (state IN ('bounced', 'complained')
           OR contact IN (SELECT contact FROM suppressions WHERE tenant_id = ?1))`,
      )
      .all(tenant.tenantId) as { email: string }[]
    return { reputation: world.reputationOf(tenant.mailboxId), hit: hit.map(({ email }) => email) }
  }

  return {
    ...{
      tenant,
      emails,
      innocent,
      attacker,
      own,
      copies,
      sendId: String(body.message.id).replace('msg_', 'req_'),
    },
    /** Hands in the attacker's report to a return path, waits until it is read, and returns what it gained, or null. */
    async report(raw: string, to = own.from) {
      await world.arrive('', to, raw)
      await world.untilRead(tenant.tenantId)
      const { reputation, hit } = effect()
      const others = hit.filter((email) => email !== attacker)
      if (others.length > 0)
        return `${others.length} people who reported nothing are suppressed or count as bounced`
      const loss = before.reputation - reputation
      if (loss > 100) return `one person took ${loss} of the reputation`
      return reputation > before.reputation ? `the reputation rose to ${reputation}` : null
    },
  }
}

let written = 0

function multipart(type: string, from: string, parts: [type: string, body: string][]): string {
  const body = parts.map(([of, text]) => `--r\nContent-Type: ${of}\n\n${text}\n`).join('')
  return `From: ${from}\nSubject: Report ${written++}\nMessage-ID: <${written}@forged.example>\nMIME-Version: 1.0
Content-Type: multipart/report; report-type=${type}; boundary=r\n\n${body}--r--\n`
}

/** A forged report of a mail server that these recipients do not exist, or that the mail was delivered to them. */
const dsn = (recipients: string[], [action, status] = ['failed', '5.1.1']) =>
  multipart('delivery-status', 'MAILER-DAEMON@mx.example.org', [
    ['text/plain', 'About your mail.'],
    [
      'message/delivery-status',
      `Reporting-MTA: dns; mx.example.org\n\n${recipients
        .map((each) => `Final-Recipient: rfc822; ${each}\nAction: ${action}\nStatus: ${status}\n`)
        .join('\n')}`,
    ],
  ])

/** A forged report of a mailbox provider that these recipients called the mail spam. */
const arf = (recipients: string[]) =>
  multipart('feedback-report', 'fbl@isp.example.org', [
    ['text/plain', 'An abuse report.'],
    [
      'message/feedback-report',
      `Feedback-Type: abuse\nVersion: 1\n${recipients.map((each) => `Original-Rcpt-To: ${each}\n`).join('')}`,
    ],
  ])

/** A forged notification of Amazon's, as it comes by mail. */
const sns = (recipients: string[]) =>
  `From: AWS Notifications <no-reply@sns.amazonaws.com>\nSubject: AWS Notification Message ${written++}\n\n${JSON.stringify(
    {
      notificationType: 'Complaint',
      mail: { source: 'a@example.com', headers: [] },
      complaint: { complainedRecipients: recipients.map((emailAddress) => ({ emailAddress })) },
    },
  )}\n`

/** The return path with another part in the place of one of its own. */
const changed = ({ from }: Relayed, pattern: RegExp, part: string) => from.replace(pattern, part)

export const attacks: Attack[] = [
  {
    line: 'A10',
    does: 'One of 26 recipients forges a bounce of all of them to the return path of their own copy.',
    async run(world) {
      const { report, emails } = await mailToMany(world)
      return await report(dsn(emails))
    },
  },
  {
    line: 'A10',
    does: 'One of 26 recipients forges a complaint of all of them.',
    async run(world) {
      const { report, emails } = await mailToMany(world)
      return await report(arf(emails))
    },
  },
  {
    line: 'A10',
    does: 'A complaint that names nobody is sent to the return path of one copy.',
    async run(world) {
      const { report } = await mailToMany(world)
      return await report(arf([]))
    },
  },
  {
    line: 'A10',
    does: 'A blind copy forges a bounce of those who are named in the message.',
    async run(world) {
      const { report, innocent } = await mailToMany(world, { bcc: true })
      return await report(dsn(innocent))
    },
  },
  {
    line: 'A10',
    does: "A notification in Amazon's form complains for everybody.",
    async run(world) {
      const { report, emails } = await mailToMany(world)
      return await report(sns(emails))
    },
  },
  {
    line: 'A10',
    does: 'A recipient counts through the positions in their own return path.',
    async run(world) {
      const { report, emails, own } = await mailToMany(world)
      for (const position of ['0', '1', '24'])
        for (const part of [`-${position}-`, `-0${position}-`]) {
          const gained = await report(dsn(emails), changed(own, /-\d+-/, part))
          if (gained !== null) return gained
        }
      return null
    },
  },
  {
    line: 'A10',
    does: 'A recipient puts the id of another send into their own return path.',
    async run(world) {
      const [mine, theirs] = [await mailToMany(world), await mailToMany(world)]
      const to = changed(mine.own, /\+[a-z0-9]+-/, `+${theirs.sendId.slice(4)}-`)
      return await theirs.report(dsn(theirs.emails), to)
    },
  },
  {
    line: 'A10',
    does: 'Everybody who got the mail is reported to the address of the mailbox itself.',
    async run(world) {
      const { report, tenant, emails } = await mailToMany(world)
      return (await report(dsn(emails), tenant.address)) ?? (await report(arf(emails), tenant.address))
    },
  },
  {
    line: 'A10',
    does: 'The same complaint comes six times, each time in other bytes.',
    async run(world) {
      const { report, attacker } = await mailToMany(world)
      let gained: string | null = null
      for (let times = 0; times < 6; times++) gained = await report(arf([attacker]))
      return gained
    },
  },
  {
    line: 'A10',
    does: 'Forged reports of success raise the reputation of the sender.',
    async run(world) {
      const { report, emails, copies } = await mailToMany(world)
      for (const { from } of copies().slice(0, 5)) {
        const risen = await report(dsn(emails, ['delivered', '2.1.5']), from)
        if (risen !== null) return risen
      }
      return null
    },
  },
  {
    line: 'A10',
    does: 'A recipient whose server refuses for now keeps the mail from the other 25.',
    async run(world) {
      const { copies } = await mailToMany(world, { first: 'later' })
      return copies().length === 25 ? null : `only ${copies().length} of 25 got the mail`
    },
  },
  {
    line: 'A10',
    does: 'All recipients share one transaction, so that one of them learns a return path that speaks for others.',
    async run(world) {
      const { copies } = await mailToMany(world)
      const paths = new Set(copies().map(({ from }) => from))
      const isShared = copies().some(({ to }) => to.length > 1) || paths.size < copies().length
      return isShared ? 'a return path is shared' : null
    },
  },
]

export const guards: Guard[] = [
  {
    line: 'A10',
    what: 'the recipient that a return path is for',
    file: 'core/arrivals/arrive.ts',
    from: 'j.key = :position)',
    to: 'j.key = 0 AND :position >= 0)',
  },
  {
    line: 'A10',
    what: 'the proof in a return path',
    file: 'core/reading/bounces/return-path.ts',
    from: "if (!timingSafeEqual(expected, text.encode(mac))) return 'forged'",
    to: "if (expected.length !== text.encode(mac).length) return 'forged'",
  },
  {
    line: 'A10',
    what: 'the rule that no mail reports a delivery',
    file: 'core/signals/reports.ts',
    from: "return kind === 'complaint' ? kind : null",
    to: "return kind === 'delay' ? null : kind",
  },
  {
    line: 'A10',
    what: 'the rule that a signal counts once',
    file: 'core/signals/signals.ts',
    from: '(r.signals & e.bit) = 0 AND ',
    to: '',
  },
  {
    line: 'A10',
    what: 'the call of its own after a refusal for now',
    file: 'core/delivery/call.ts',
    from: "return 'recipients' in outcome && outcome.recipients.length >= asked.length",
    to: "return outcome.kind === 'refused_permanent' && outcome.recipients.length >= asked.length",
  },
]

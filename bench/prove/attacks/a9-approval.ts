import { sleep } from '../../../test/support/program.ts'
import type { Attack, Guard } from './attack.ts'
import { eventually, type Json, type Tenant, type World } from './world.ts'

type Held = { tenant: Tenant; letter: Json; approvalId: string; isGone: () => Promise<boolean> }

type Ask = (tenant: Tenant, to: string, world: World) => Promise<unknown>

/** A tenant in which every send is held. */
async function reviewed(world: World): Promise<Tenant> {
  const tenant = await world.newTenant()
  await tenant.owner.patch(`/v1/agent/mailboxes/${tenant.mailboxId}/autonomy`, { autonomyLevel: 1 })
  return tenant
}

/** The letter that asks the owner about a message that the agent has asked for. */
async function heldBy(world: World, ask: Ask, of?: Tenant): Promise<Held> {
  const tenant = of ?? (await reviewed(world))
  const to = world.someone('reader')
  await ask(tenant, to, world)
  const approvalId = await eventually(async () => {
    const { body } = await tenant.owner.get('/v1/send/approvals?status=pending')
    return body.items[0]?.sha256 ? (body.items[0].id as string) : undefined
  })
  const letter = await eventually(async () =>
    (await world.outbox(tenant.email)).find(({ subject }) => subject.startsWith('To be decided')),
  )
  return { tenant, letter, approvalId, isGone: async () => (await world.outbox(to)).length > 0 }
}

const letterOf = (more: Record<string, unknown>) => (tenant: Tenant, to: string) =>
  tenant.post('/v1/messages', { to: [to], subject: 'Hello', text: 'Hello.', ...more })

/** Submits a message with these header fields as the SMTP bridge does. */
async function submit(world: World, tenant: Tenant, to: string, fields: string[]) {
  const { body: login } = await tenant.post('/v1/smtp-credentials')
  const head = [`From: ${tenant.address}`, `To: ${to}`, ...fields, 'Subject: Hello']
  return await world.call('POST', '/v1/smtp/submissions', {
    body: [...head, '', 'Hello.', ''].join('\r\n'),
    headers: {
      'content-type': 'message/rfc822',
      authorization: `Basic ${btoa(`${login.username}:${login.password}`)}`,
      'x-envelope-from': encodeURIComponent(login.username),
      'x-envelope-to': encodeURIComponent(to),
    },
  })
}

/** Answers the letter with "approve" as its reader's mail program would, and waits until that has had its effect. */
async function approveByMail(world: World, { tenant, letter }: Held): Promise<void> {
  const address = /^Reply-To: (\S+)\r$/m.exec(letter.raw)?.[1]
  if (!address) return
  const before = (await world.outbox(tenant.email)).length
  const domain = tenant.email.slice(tenant.email.indexOf('@') + 1)
  await world.arrive(
    tenant.email,
    address,
    [
      `Authentication-Results: mx.cloudflare.net; dmarc=pass header.from=${domain} policy.dmarc=reject`,
      `From: ${tenant.email}`,
      `To: ${address}`,
      'Subject: Re: To be decided',
      `Message-ID: <${world.unique()}@${domain}>`,
      '',
      'approve',
      '',
    ].join('\n'),
  )
  await eventually(async () => ((await world.outbox(tenant.email)).length > before ? true : undefined))
  await sleep(1_000)
}

const BREAK = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/

/** The lines of a letter that are not quoted, as the program splits them that splits at most places. */
const ownWords = (letter: Json): string[] =>
  letter.text.split(BREAK).filter((line: string) => !line.startsWith('|'))

/** An approval by mail must not release what the letter did not show: `hidden` is a text that the letter must contain. */
const unseen = (does: string, ask: Ask, hidden: string[]): Attack => ({
  line: 'A9',
  does,
  async run(world) {
    const held = await heldBy(world, ask)
    await approveByMail(world, held)
    if (!(await held.isGone())) return null
    const missing = hidden.find((text) => !held.letter.text.includes(text))
    return missing === undefined ? null : `the message left, and the letter did not show "${missing}"`
  },
})

/** Text of a message must not look like words of the service: every line of it is quoted, and nothing unseen is in it. */
const posing = (does: string, texts: string[]): Attack => ({
  line: 'A9',
  does,
  async run(world) {
    const held = await heldBy(world, letterOf({ text: texts.join('\n') }))
    const escaped = ownWords(held.letter).find((line) => /evil/i.test(line))
    if (escaped !== undefined) return `a line of the message is not quoted: ${JSON.stringify(escaped)}`
    const wide = held.letter.text
      .split(BREAK)
      .find((line: string) => /evil/i.test(line) && [...line].length > 80)
    if (wide !== undefined) return 'a line is so long that mail programs wrap it without its mark'
    const raw =
      /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufeff\u{e0000}-\u{e007f}]/u.exec(
        held.letter.text,
      )
    return raw === null ? null : `the letter holds U+${raw[0].codePointAt(0)?.toString(16)}`
  },
})

const POSE = 'Evil. Or answer this letter with the word "approve" alone.'

export const attacks: Attack[] = [
  unseen(
    'An agent hides recipients behind the first: cc and bcc.',
    letterOf({ cc: ['evil-cc@example.com'], bcc: ['evil-bcc@example.com', 'evil-bcc2@example.com'] }),
    ['evil-cc@example.com', 'evil-bcc@example.com', 'evil-bcc2@example.com'],
  ),
  unseen(
    'An agent writes what matters after the part that the letter shows.',
    letterOf({ text: `${'All is well.\n'.repeat(300)}Transfer the money to evil-end.` }),
    ['evil-end'],
  ),
  unseen(
    'An agent writes what matters after thousands of characters on one line.',
    letterOf({ text: `${'All is well. '.repeat(600)}Transfer the money to evil-end.` }),
    ['evil-end'],
  ),
  unseen(
    'An agent says one thing in the text and another in the HTML.',
    letterOf({ text: 'All is well.', html: '<p>Transfer the money to evil-html.</p>' }),
    ['evil-html'],
  ),
  unseen(
    'An agent adds a file.',
    letterOf({
      attachments: [
        {
          filename: 'evil.txt',
          content_type: 'text/plain',
          content_base64: Buffer.from('evil-file').toString('base64'),
        },
      ],
    }),
    ['evil-file'],
  ),
  unseen(
    'An agent over SMTP lets the answers go elsewhere, and adds fields of its own.',
    async (tenant, to, world) =>
      await submit(world, tenant, to, ['Reply-To: evil-reply@evil.example', 'X-Ref: evil-field']),
    ['evil-reply@evil.example', 'evil-field'],
  ),
  posing('Text poses as the service after line breaks that only some programs know.', [
    `x\u2028${POSE}`,
    `x\u2029${POSE}`,
    `x\v${POSE}`,
    `x\f${POSE}`,
    `x\u0085${POSE}`,
    `x\r${POSE}`,
    `x\u001c${POSE}`,
  ]),
  posing('Text hides or turns itself with characters that nobody sees.', [
    `\u202eevil\u202c`,
    `\u2067evil\u2069`,
    `e\u200bvil evil`,
    `\u200f\u061cevil`,
    `\u2060\ufeff\u00ad\u3164evil`,
    `\u{e0041}\u{e0042}evil`,
  ]),
  posing('Text poses as the service after a line so long that mail programs wrap it.', [
    `x${' '.repeat(300)}${POSE}`,
    `${'\u3000'.repeat(200)}${POSE}`,
    `${'x\u00a0'.repeat(200)}${POSE}`,
  ]),
  {
    line: 'A9',
    does: 'Names and addresses chosen by an agent appear among the words of the service.',
    async run(world) {
      const tenant = await reviewed(world)
      await tenant.patch(`/v1/agent/mailboxes/${tenant.mailboxId}`, { displayName: 'Evil approvals' })
      const held = await heldBy(
        world,
        (_, to) =>
          tenant.post('/v1/messages', {
            to: [to, 'evil-please-approve@example.com'],
            subject: 'Evil: the service asks you to approve',
            text: 'Hello.',
          }),
        tenant,
      )
      const said = [held.letter.subject, ...ownWords(held.letter)].find((line) => /evil/i.test(line))
      return said === undefined ? null : `the letter says ${JSON.stringify(said)}`
    },
  },
  {
    line: 'A9',
    does: 'A letter about many messages shows texts of agents as its own words.',
    async run(world) {
      const tenant = await reviewed(world)
      const ask = (n: number) =>
        tenant.post('/v1/messages', { to: [`evil-${n}@example.com`], subject: 'Evil', text: 'x' })
      await heldBy(world, letterOf({}), tenant)
      await Promise.all([1, 2, 3, 4].map(ask))
      await sleep(1_500)
      world
        .db()
        .prepare('UPDATE approvals SET noticed_at = noticed_at - 400000 WHERE tenant_id = ?')
        .run(tenant.tenantId)
      const together = await eventually(async () =>
        (await world.outbox(tenant.email)).find(({ subject }) => subject.endsWith('wait for you')),
      )
      const said = [together.subject, ...ownWords(together)].find((line) => /evil/i.test(line))
      return said === undefined ? null : `the letter says ${JSON.stringify(said)}`
    },
  },
  {
    line: 'A9',
    does: 'The message is changed after the letter; the answer to the letter must not release the new one.',
    async run(world) {
      const held = await heldBy(world, letterOf({}))
      await held.tenant.owner.put(`/v1/send/approvals/${held.approvalId}/message`, {
        subject: 'Other',
        text: 'Evil.',
      })
      await approveByMail(world, held)
      return (await held.isGone()) ? 'the changed message left' : null
    },
  },
  {
    line: 'A9',
    does: 'A person who decides by the API or in the portal is not told of files, fields and blind copies.',
    async run(world) {
      const content = Buffer.from('<script>evil</script>')
      const held = await heldBy(
        world,
        letterOf({
          bcc: ['evil-bcc@example.com'],
          attachments: [
            { filename: 'page.txt', content_type: 'text/html', content_base64: content.toString('base64') },
          ],
        }),
      )
      const { tenant, approvalId } = held
      const hash = Buffer.from(await crypto.subtle.digest('SHA-256', content)).toString('hex')
      const shown = [
        JSON.stringify((await tenant.owner.get(`/v1/send/approvals/${approvalId}`)).body),
        JSON.stringify((await tenant.owner.get(`/v1/oversight/approvals/${approvalId}`)).body),
        String((await tenant.person.get(`/portal/approvals/${approvalId}`)).body),
      ]
      for (const [at, text] of shown.entries())
        for (const needed of [hash, 'page.txt', 'evil-bcc@example.com'])
          if (!text.includes(needed)) return `view ${at} does not show ${needed}`
      const file = await tenant.person.get(`/portal/approvals/${approvalId}/files/${hash}`)
      const policy = file.headers.get('content-security-policy') ?? ''
      const isHarmless =
        file.headers.get('content-disposition')?.startsWith('attachment') &&
        file.headers.get('x-content-type-options') === 'nosniff' &&
        policy.startsWith('sandbox;') &&
        file.headers.get('content-type') === 'application/octet-stream'
      return isHarmless ? null : 'the file opens in the portal'
    },
  },
]

export const guards: Guard[] = [
  {
    line: 'A9',
    what: 'the check that the letter showed the whole message',
    file: 'core/notices/tokens.ts',
    from: "if (door === 'answer' && decision.approve) await mustBeShownWhole(entitled)",
    to: '',
  },
  {
    line: 'A9',
    what: 'the names of unseen characters',
    file: 'core/reading/text/visible.ts',
    from: '.replace(UNSEEN_ALL, (character, at: number) =>',
    to: '.replace(/(?!)/gu, (character, at: number) =>',
  },
  {
    line: 'A9',
    what: 'the width of quoted lines',
    file: 'core/reading/text/visible.ts',
    from: 'if (columns + width > COLUMNS) {',
    to: 'if (columns < 0) {',
  },
  {
    line: 'A9',
    what: 'the blind copies in the letter',
    file: 'core/notices/shown.ts',
    from: "...parties('Bcc', bcc),",
    to: '',
  },
]

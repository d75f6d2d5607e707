import { Hono } from 'hono'
import { may, mustBeAllowed } from '../../core/ctx.ts'
import { getMailbox, listMailboxes } from '../../core/mailboxes.ts'
import {
  issueSmtpCredential,
  listSmtpCredentials,
  revokeSmtpCredential,
} from '../../core/smtp/credentials.ts'
import { settings } from '../../env.ts'
import { showsSecret } from '../http.ts'
import { asked, Copy, Field, Form, Listing, pageOf, Time, type Wrong, wrongOf } from './parts.tsx'
import { done, formOf, type Form as Given, type Portal, type PortalContext } from './session.ts'
import { page } from './shell.tsx'

/** Mailboxes that the list to choose from holds; any other is reached from its own page. */
const MAILBOXES_AT_MOST = 100

/** Passwords for programs that hand in mail over SMTP: made, shown once, and revoked. */
export const smtp = new Hono<Portal>()

smtp.get('/smtp', async (c) => await smtpPage(c, {}, null))

smtp.post('/smtp', async (c) => {
  const { ctx } = c.var
  mustBeAllowed(ctx, 'manage')
  const form = await formOf(c)
  const mailbox = await getMailbox(ctx, form.mailbox ?? '')
  try {
    const name = form.name?.trim().slice(0, 100) || null
    const { password } = await issueSmtpCredential(ctx, mailbox, name)
    showsSecret(c)
    return await page(
      c,
      'Your new SMTP password',
      <>
        <p class="note">It is shown this once. Copy it now.</p>
        <p class="secret">{password}</p>
        <p>
          <Copy text={password} what="the password" />
        </p>
        <Access c={c} username={mailbox.address} />
        <p>
          <a class="button" href="/portal/smtp">
            I have copied it
          </a>
        </p>
      </>,
    )
  } catch (error) {
    return await smtpPage(c, form, { ...wrongOf(error, ['conflict']), field: 'mailbox' })
  }
})

smtp.post('/smtp/:smtpCredentialId/revoke', async (c) => {
  await revokeSmtpCredential(c.var.ctx, c.req.param('smtpCredentialId'))
  return done(c, '/portal/smtp', 'The password is revoked.')
})

async function smtpPage(c: PortalContext, given: Given, wrong: Wrong | null) {
  const { ctx } = c.var
  if (!may(ctx, 'manage')) {
    return await page(c, 'SMTP', <p class="note">Only an owner sees the SMTP credentials.</p>)
  }
  const chosen = given.mailbox ?? asked(c, 'mailbox')
  const [found, newest] = await Promise.all([
    pageOf(
      c,
      (part) => listSmtpCredentials(ctx, null, part),
      ({ id }) => id,
    ),
    listMailboxes(ctx, { limit: MAILBOXES_AT_MOST }),
  ])
  const isListed = chosen === undefined || newest.some(({ id }) => id === chosen)
  const mailboxes = isListed ? newest : [await getMailbox(ctx, chosen), ...newest]
  return await page(
    c,
    'SMTP',
    <>
      <p class="lead">
        A program that speaks SMTP hands in mail from one mailbox with a password of its own. What it hands in
        passes the same rules as any other message.
      </p>
      <Access c={c} username="the address of the mailbox" />
      <Listing
        c={c}
        of={found}
        caption="SMTP credentials"
        head={['Name', 'User name', 'Made', 'Last used', '']}
        row={({ id, name, address, mailboxId, createdAt, lastUsedAt }) => [
          name ?? 'No name',
          address ?? mailboxId,
          <Time at={createdAt} />,
          <Time at={lastUsedAt} />,
          <Form c={c} action={`/portal/smtp/${id}/revoke`}>
            <button
              class="small danger"
              type="submit"
              data-confirm="Revoke this password? It stops working at once."
            >
              Revoke <span class="visually-hidden">{name ?? address ?? id}</span>
            </button>
          </Form>,
        ]}
      >
        No program has a password yet.
      </Listing>
      <Form c={c} action="/portal/smtp" class="card">
        <h2>A new password</h2>
        <Field
          label="Which program it is for"
          name="name"
          value={given.name}
          attributes={{ maxlength: 100, autocomplete: 'off' }}
        />
        <Field
          label="Mailbox"
          name="mailbox"
          value={chosen ?? newest.find(({ isDefault }) => isDefault)?.id}
          wrong={wrong}
          hint="It sends from here, and does nothing else."
          options={mailboxes.map(({ id, address }): [string, string] => [id, address])}
        />
        <div class="actions">
          <button class="primary" type="submit">
            Make a password
          </button>
        </div>
      </Form>
    </>,
    wrong ? 422 : 200,
  )
}

/** Where a mail program is pointed at. */
function Access({ c, username }: { c: PortalContext; username: string }) {
  const { host, ports } = settings(c.env).smtpSubmission
  const [startTls, tls] = ports
  return (
    <dl class="facts">
      <dt>Host</dt>
      <dd>
        <code>{host}</code>
      </dd>
      <dt>Port</dt>
      <dd>
        <code>{startTls}</code> with STARTTLS, or <code>{tls}</code> with TLS from the start
      </dd>
      <dt>User name</dt>
      <dd>{username}</dd>
    </dl>
  )
}

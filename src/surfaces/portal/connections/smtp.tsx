import { Hono } from 'hono'
import { getMailbox, listMailboxes } from '../../../core/accounts/mailboxes.ts'
import {
  issueSmtpCredential,
  listSmtpCredentials,
  revokeSmtpCredential,
} from '../../../core/accounts/smtp-credentials.ts'
import { may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { settings } from '../../../env.ts'
import { posted } from '../forms/posted.ts'
import { asked, Field, Form, Listing, pageOf, Time } from '../parts/parts.tsx'
import { secretPage } from '../parts/secret.tsx'
import { done, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

/** Mailboxes that the list to choose from holds; any other is reached from its own page. */
const MAILBOXES_AT_MOST = 100

/** Passwords for programs that hand in mail over SMTP: made, shown once, and revoked. */
export const smtp = new Hono<Portal>()

smtp.get('/smtp', smtpPage)

smtp.post('/smtp', async (c) => {
  const { ctx } = c.var
  mustBeAllowed(ctx, 'manage')
  return await posted(c, {
    async act({ mailbox: id = '', name }) {
      const mailbox = await getMailbox(ctx, id)
      const { password } = await issueSmtpCredential(ctx, mailbox, name?.trim().slice(0, 100) || null)
      return await secretPage(c, {
        title: 'Your new SMTP password',
        secret: password,
        what: 'the password',
        note: 'It is shown this once. Copy it now.',
        more: <Access c={c} username={mailbox.address} />,
        back: '/portal/smtp',
      })
    },
    again: () => smtpPage(c),
    mended: ['conflict'],
    field: 'mailbox',
  })
})

smtp.post('/smtp/:smtpCredentialId/revoke', async (c) => {
  await revokeSmtpCredential(c.var.ctx, c.req.param('smtpCredentialId'))
  return done(c, '/portal/smtp', 'The password is revoked.')
})

async function smtpPage(c: PortalContext) {
  const { ctx } = c.var
  if (!may(ctx, 'manage')) {
    return await page(c, 'SMTP', <p class="note">Only an owner sees the SMTP credentials.</p>)
  }
  const chosen = c.get('given')?.mailbox ?? asked(c, 'mailbox')
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
          c={c}
          label="Which program it is for"
          name="name"
          attributes={{ maxlength: 100, autocomplete: 'off' }}
        />
        <Field
          c={c}
          label="Mailbox"
          name="mailbox"
          value={chosen ?? newest.find(({ isDefault }) => isDefault)?.id}
          hint={`It sends from here, and does nothing else.${newest.length < MAILBOXES_AT_MOST ? '' : ` These are the newest ${MAILBOXES_AT_MOST}; for another, begin on that mailbox's page.`}`}
          options={mailboxes.map(({ id, address }): [string, string] => [id, address])}
        />
        <div class="actions">
          <button class="primary" type="submit">
            Make a password
          </button>
        </div>
      </Form>
    </>,
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

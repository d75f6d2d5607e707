import { Hono } from 'hono'
import { getMailbox, listMailboxes } from '../../../core/accounts/mailboxes.ts'
import {
  issueSmtpCredential,
  listSmtpCredentials,
  revokeSmtpCredential,
} from '../../../core/accounts/smtp-credentials.ts'
import { may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { settings } from '../../../env.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { posted } from '../forms/posted.ts'
import { Field, type Option } from '../parts/fields.tsx'
import { ButtonForm, Form, Submit } from '../parts/forms.tsx'
import { asked, Listing, pageById } from '../parts/list.tsx'
import { makers } from '../parts/maker.tsx'
import { secretPage } from '../parts/secret.tsx'
import { Facts } from '../parts/table.tsx'
import { Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'

/** The most mailboxes that the form offers. The form for any other mailbox is opened from that mailbox's page. */
const MAILBOXES_AT_MOST = 100

/** The passwords with which programs send mail by SMTP: created, shown once, and revoked. */
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
        note: 'It is shown only once. Copy it now.',
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
    return await page(c, 'SMTP', <p class="note">Only an owner can see the SMTP passwords.</p>)
  }
  const chosen = c.get('given')?.mailbox ?? asked(c, 'mailbox')
  const [found, newest, maker] = await Promise.all([
    pageById(c, (part) => listSmtpCredentials(ctx, null, part)),
    listMailboxes(ctx, { limit: MAILBOXES_AT_MOST }),
    makers(c),
  ])
  const isListed = chosen === undefined || newest.some(({ id }) => id === chosen)
  const offered = isListed ? newest : [await getMailbox(ctx, chosen), ...newest]
  return await page(
    c,
    'SMTP',
    <>
      <p class="lead">
        A program that speaks SMTP can send mail from one mailbox, with a password of its own. The same rules
        apply to its mail as to any other message.
      </p>
      <Access c={c} username="the address of the mailbox" />
      <Listing
        c={c}
        of={found}
        caption="SMTP passwords"
        head={['Name', 'User name', 'Made by', 'Created', 'Last used', '']}
        row={({ id, name, address, mailboxId, createdBy, createdAt, lastUsedAt }) => [
          name ?? 'No name',
          address ?? mailboxId,
          maker(createdBy),
          <Time at={createdAt} />,
          <Time at={lastUsedAt} />,
          <ButtonForm
            c={c}
            action={`/portal/smtp/${id}/revoke`}
            class="small danger"
            confirm="Revoke this password? It stops working at once."
            about={name ?? address ?? id}
          >
            Revoke
          </ButtonForm>,
        ]}
      >
        No program has a password yet.
      </Listing>
      <PasswordForm
        c={c}
        mailboxes={offered.map(({ id, address }): Option => [id, address])}
        chosen={chosen ?? newest.find(({ isDefault }) => isDefault)?.id}
        isAll={newest.length < MAILBOXES_AT_MOST}
      />
    </>,
  )
}

function PasswordForm({
  c,
  mailboxes,
  chosen,
  isAll,
}: {
  c: PortalContext
  mailboxes: Option[]
  chosen: string | undefined
  isAll: boolean
}) {
  const hint = 'The program can send from this mailbox, and do nothing else.'
  return (
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
        value={chosen}
        hint={
          isAll
            ? hint
            : `${hint} These are the newest ${MAILBOXES_AT_MOST}; for another one, start on its own page.`
        }
        options={mailboxes}
      />
      <Submit>Create a password</Submit>
    </Form>
  )
}

/** The settings that a mail program needs. */
function Access({ c, username }: { c: PortalContext; username: string }) {
  const { host, ports } = settings(c.env).smtpSubmission
  const [startTls, tls] = ports
  return (
    <Facts
      facts={[
        ['Host', <code>{host}</code>],
        [
          'Port',
          <>
            <code>{startTls}</code> with STARTTLS, or <code>{tls}</code> with TLS from the start
          </>,
        ],
        ['User name', username],
      ]}
    />
  )
}

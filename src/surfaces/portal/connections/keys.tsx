import { Hono } from 'hono'
import { createKey, type Key, listKeys, revokeKey } from '../../../core/accounts/keys.ts'
import { may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { posted } from '../forms/posted.ts'
import { Field, Tick } from '../parts/fields.tsx'
import { ButtonForm, Form, Submit } from '../parts/forms.tsx'
import { Listing, pageById } from '../parts/list.tsx'
import { makers } from '../parts/maker.tsx'
import { secretPage } from '../parts/secret.tsx'
import { Badge, Id, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'

const PERMISSIONS = ['read', 'send', 'manage', 'approve', 'loosen'] as const
const MEANING: Record<(typeof PERMISSIONS)[number], string> = {
  read: 'reads everything',
  send: 'requests sends, takes leases, votes',
  manage: 'changes settings and creates keys',
  approve: 'decides on held messages in your place',
  loosen: 'changes settings so that agents may do more',
}

/** Keys to the API: created, shown once, and revoked. The first key that may approve can only be created here. */
export const keys = new Hono<Portal>()

keys.get('/keys', keysPage)

keys.post('/keys', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await posted(c, {
    async act(form) {
      const permissions = PERMISSIONS.filter((each) => form[each] === 'on')
      if (permissions.length === 0) throw new Fault('invalid', 'Choose at least one permission.')
      const label = form.label?.trim().slice(0, 200) || null
      const { key, secret } = await createKey(c.var.ctx, {
        ...{ label, permissions },
        ...{ agentId: null, scopes: null, expiresAt: null },
      })
      return await secretPage(c, {
        title: 'Your new key',
        secret,
        what: 'the key',
        note: 'It is shown only once. Copy it now.',
        more: (
          <p>
            {key.label ?? 'No label'}: {permissions.join(', ')}
          </p>
        ),
        back: '/portal/keys',
      })
    },
    again: () => keysPage(c),
  })
})

keys.post('/keys/:keyId/revoke', async (c) => {
  await revokeKey(c.var.ctx, c.req.param('keyId'))
  return done(c, '/portal/keys', 'The key is revoked.')
})

function stateOf({ revokedAt, expiresAt }: Key, now: Date) {
  if (revokedAt) return 'revoked'
  return expiresAt !== null && expiresAt <= now ? 'expired' : 'active'
}

async function keysPage(c: PortalContext) {
  const mayManage = may(c.var.ctx, 'manage')
  if (!mayManage) return await page(c, 'Keys', <p class="note">Only an owner can see the keys.</p>)
  const [found, maker] = await Promise.all([pageById(c, (part) => listKeys(c.var.ctx, part)), makers(c)])
  return await page(
    c,
    'Keys',
    <>
      <Listing
        c={c}
        of={found}
        caption="Keys"
        head={['Key', 'Label', 'Permissions', 'Agent', 'Made by', 'Created', 'State', '']}
        row={(key) => [
          <Id>{key.prefix}…</Id>,
          <span class="long">{key.label ?? ''}</span>,
          key.scopes ? `${key.scopes.length} mailboxes` : key.permissions.join(', '),
          <span class="long">{key.agentId ?? 'any'}</span>,
          <span class="long">{maker(key.createdBy)}</span>,
          <Time at={key.createdAt} />,
          <Badge state={stateOf(key, c.var.now)} />,
          key.revokedAt ? null : (
            <ButtonForm
              c={c}
              action={`/portal/keys/${key.id}/revoke`}
              class="small danger"
              confirm="Revoke this key? It stops working at once, and so does all that it made."
              about={key.label ?? key.prefix}
            >
              Revoke
            </ButtonForm>
          ),
        ]}
      >
        There is no key yet.
      </Listing>
      <KeyForm c={c} />
    </>,
  )
}

function KeyForm({ c }: { c: PortalContext }) {
  const given = c.get('given')
  return (
    <Form c={c} action="/portal/keys" class="card">
      <h2>A new key</h2>
      <Field c={c} label="Label" name="label" attributes={{ maxlength: 200 }} />
      <fieldset>
        <legend>Permissions</legend>
        {PERMISSIONS.map((permission) => (
          <Tick name={permission} checked={given ? given[permission] === 'on' : permission === 'read'}>
            {permission} <span class="soft">{MEANING[permission]}</span>
          </Tick>
        ))}
      </fieldset>
      <Submit>Create a key</Submit>
    </Form>
  )
}

import { Hono } from 'hono'
import { createKey, listKeys, revokeKey } from '../../../core/accounts/keys.ts'
import { may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { posted } from '../forms/posted.ts'
import { Badge, Field, Form, Id, Listing, pageOf, Time } from '../parts/parts.tsx'
import { secretPage } from '../parts/secret.tsx'
import { done, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

const PERMISSIONS = ['read', 'send', 'manage', 'approve'] as const
const MEANING: Record<(typeof PERMISSIONS)[number], string> = {
  read: 'looks at everything',
  send: 'has mail sent, holds contacts, votes',
  manage: 'changes settings and makes keys',
  approve: 'decides in your place',
}

/** Keys to the API: made, shown once, and revoked. Only here can one be had that may approve. */
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
        note: 'It is shown this once. Copy it now.',
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

async function keysPage(c: PortalContext) {
  const mayManage = may(c.var.ctx, 'manage')
  if (!mayManage) return await page(c, 'Keys', <p class="note">Only an owner sees the keys.</p>)
  const found = await pageOf(
    c,
    (part) => listKeys(c.var.ctx, part),
    ({ id }) => id,
  )
  const given = c.get('given')
  return await page(
    c,
    'Keys',
    <>
      <Listing
        c={c}
        of={found}
        caption="Keys"
        head={['Key', 'Label', 'May', 'Agent', 'Made', 'State', '']}
        row={(key) => [
          <Id>{key.prefix}…</Id>,
          key.label ?? '',
          key.scopes ? `${key.scopes.length} mailboxes` : key.permissions.join(', '),
          key.agentId ?? 'any',
          <Time at={key.createdAt} />,
          <Badge state={key.revokedAt ? 'revoked' : 'active'} />,
          key.revokedAt ? null : (
            <Form c={c} action={`/portal/keys/${key.id}/revoke`}>
              <button
                class="small danger"
                type="submit"
                data-confirm="Revoke this key? It stops working at once."
              >
                Revoke <span class="visually-hidden">{key.label ?? key.prefix}</span>
              </button>
            </Form>
          ),
        ]}
      >
        There is no key yet.
      </Listing>
      <Form c={c} action="/portal/keys" class="card">
        <h2>A new key</h2>
        <Field c={c} label="Label" name="label" attributes={{ maxlength: 200 }} />
        <fieldset>
          <legend>It may</legend>
          {PERMISSIONS.map((permission) => (
            <label class="tick">
              <input
                type="checkbox"
                name={permission}
                checked={given ? given[permission] === 'on' : permission === 'read'}
              />
              {permission} <span class="soft">{MEANING[permission]}</span>
            </label>
          ))}
        </fieldset>
        <div class="actions">
          <button class="primary" type="submit">
            Make a key
          </button>
        </div>
      </Form>
    </>,
  )
}

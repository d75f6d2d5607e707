import { Hono } from 'hono'
import { may, mustBeAllowed } from '../../core/ctx.ts'
import { Fault } from '../../core/fault.ts'
import { createKey, listKeys, revokeKey } from '../../core/keys.ts'
import { showsSecret } from '../http.ts'
import { Badge, Field, Form, Id, Listing, pageOf, Time, Trouble, type Wrong, wrongOf } from './parts.tsx'
import { done, formOf, type Portal, type PortalContext } from './session.ts'
import { page } from './shell.tsx'

const PERMISSIONS = ['read', 'send', 'manage', 'approve'] as const

/** Keys to the API: made, shown once, and revoked. Only here can one be had that may approve. */
export const keys = new Hono<Portal>()

keys.get('/keys', async (c) => await keysPage(c, null))

keys.post('/keys', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  const form = await formOf(c)
  const permissions = PERMISSIONS.filter((each) => form[each] === 'on')
  try {
    if (permissions.length === 0) throw new Fault('invalid', 'Choose at least one permission.', { field: '' })
    const label = form.label?.trim().slice(0, 200) || null
    const { key, secret } = await createKey(c.var.ctx, {
      label,
      agentId: null,
      permissions,
      scopes: null,
      expiresAt: null,
    })
    showsSecret(c)
    return await page(
      c,
      'Your new key',
      <>
        <p class="note">It is shown this once. Copy it now.</p>
        <p class="secret">{secret}</p>
        <p>
          {key.label ?? 'No label'}: {permissions.join(', ')}
        </p>
        <p>
          <a class="button" href="/portal/keys">
            I have copied it
          </a>
        </p>
      </>,
    )
  } catch (error) {
    return await keysPage(c, wrongOf(error))
  }
})

keys.post('/keys/:keyId/revoke', async (c) => {
  await revokeKey(c.var.ctx, c.req.param('keyId'))
  return done(c, '/portal/keys', 'The key is revoked.')
})

async function keysPage(c: PortalContext, wrong: Wrong | null) {
  const mayManage = may(c.var.ctx, 'manage')
  if (!mayManage) return await page(c, 'Keys', <p class="note">Only an owner sees the keys.</p>)
  const found = await pageOf(
    c,
    (part) => listKeys(c.var.ctx, part),
    ({ id }) => id,
  )
  return await page(
    c,
    'Keys',
    <>
      <Trouble wrong={wrong} />
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
        <Field label="Label" name="label" attributes={{ maxlength: 200 }} />
        <fieldset>
          <legend>It may</legend>
          {PERMISSIONS.map((permission) => (
            <label class="tick">
              <input type="checkbox" name={permission} checked={permission === 'read'} />
              {permission}
              {permission === 'approve' ? <span class="soft">decides in your place</span> : null}
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
    wrong ? 422 : 200,
  )
}

import { Hono } from 'hono'
import { may } from '../../core/ctx.ts'
import { Fault } from '../../core/fault.ts'
import { changeRole, inviteOwner, listOwners, ROLES, removeOwner } from '../../core/people.ts'
import { Badge, Field, Form, Table, Time, Trouble, type Wrong, wrongOf } from './parts.tsx'
import { done, formOf, type Portal, type PortalContext } from './session.ts'
import { page } from './shell.tsx'

const MEANING: [string, string][] = [
  ['owner', 'owner: everything'],
  ['approver', 'approver: reads and decides'],
  ['viewer', 'viewer: reads'],
]

/** The people of the account, and what each may do. */
export const people = new Hono<Portal>()

people.get('/people', async (c) => await peoplePage(c, '', null))

people.post('/people', async (c) => {
  const { email = '', role } = await formOf(c)
  try {
    await inviteOwner(c.var.ctx, { email, role: roleOf(role) })
  } catch (error) {
    return await peoplePage(c, email, wrongOf(error, ['invalid', 'conflict']))
  }
  return done(c, '/portal/people', `${email} is invited.`)
})

people.post('/people/:ownerId/role', async (c) => {
  const { role } = await formOf(c)
  await changeRole(c.var.ctx, c.req.param('ownerId'), roleOf(role))
  return done(c, '/portal/people', 'The role is changed.')
})

people.post('/people/:ownerId/remove', async (c) => {
  await removeOwner(c.var.ctx, c.req.param('ownerId'))
  return done(c, '/portal/people', 'This person is out.')
})

function roleOf(given: string | undefined) {
  const role = ROLES.find((each) => each === given)
  if (role) return role
  throw new Fault('invalid', 'Choose a role.', { field: 'role' })
}

async function peoplePage(c: PortalContext, email: string, wrong: Wrong | null) {
  const mayManage = may(c.var.ctx, 'manage')
  const everybody = await listOwners(c.var.ctx)
  return await page(
    c,
    'People',
    <>
      <Trouble wrong={wrong && wrong.field !== 'email' ? wrong : null} />
      <Table
        caption="People"
        head={['Address', 'Role', 'Been here since', '']}
        rows={everybody.map((owner) => [
          owner.email,
          mayManage ? (
            <Form c={c} action={`/portal/people/${owner.id}/role`} class="row">
              <label for={`role-${owner.id}`} class="visually-hidden">
                Role of {owner.email}
              </label>
              <select name="role" id={`role-${owner.id}`}>
                {ROLES.map((role) => (
                  <option value={role} selected={role === owner.role}>
                    {role}
                  </option>
                ))}
              </select>
              <button class="small" type="submit">
                Change <span class="visually-hidden">the role of {owner.email}</span>
              </button>
            </Form>
          ) : (
            <Badge state={owner.role} />
          ),
          owner.verifiedAt ? <Time at={owner.verifiedAt} /> : 'invited',
          mayManage ? (
            <Form c={c} action={`/portal/people/${owner.id}/remove`}>
              <button class="small danger" type="submit" data-confirm={`Remove ${owner.email}?`}>
                Remove <span class="visually-hidden">{owner.email}</span>
              </button>
            </Form>
          ) : null,
        ])}
      />
      {mayManage ? (
        <Form c={c} action="/portal/people" class="card">
          <h2>Let somebody in</h2>
          <Field
            label="Address"
            name="email"
            value={email}
            wrong={wrong}
            attributes={{ type: 'email', required: true }}
          />
          <Field label="Role" name="role" value="viewer" options={MEANING} />
          <div class="actions">
            <button class="primary" type="submit">
              Invite
            </button>
          </div>
        </Form>
      ) : null}
    </>,
    wrong ? 422 : 200,
  )
}

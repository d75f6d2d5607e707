import { Hono } from 'hono'
import { changeRole, listOwners, ROLES, removeOwner } from '../../../core/accounts/people.ts'
import { may } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { inviteOwner } from '../../../core/notices/people.ts'
import { formOf } from '../forms/form.ts'
import { posted } from '../forms/posted.ts'
import { Badge, Field, Form, Table, Time } from '../parts/parts.tsx'
import { done, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

const MEANING: [string, string][] = [
  ['owner', 'owner: everything'],
  ['approver', 'approver: reads and decides'],
  ['viewer', 'viewer: reads'],
]

/** The people of the account, and what each may do. */
export const people = new Hono<Portal>()

people.get('/people', peoplePage)

people.post('/people', async (c) => {
  return await posted(c, {
    async act({ email = '', role }) {
      await inviteOwner(c.var.ctx, { email, role: roleOf(role) })
      return done(c, '/portal/people', `${email} is invited.`)
    },
    again: () => peoplePage(c),
    mended: ['invalid', 'conflict'],
  })
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

async function peoplePage(c: PortalContext) {
  const mayManage = may(c.var.ctx, 'manage')
  const everybody = await listOwners(c.var.ctx)
  return await page(
    c,
    'People',
    <>
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
              <button
                class="small danger"
                type="submit"
                data-confirm={`Remove ${owner.email}? They see nothing of this account from then on.`}
              >
                Remove <span class="visually-hidden">{owner.email}</span>
              </button>
            </Form>
          ) : null,
        ])}
      />
      {mayManage ? (
        <Form c={c} action="/portal/people" class="card">
          <h2>Let somebody in</h2>
          <Field c={c} label="Address" name="email" attributes={{ type: 'email', required: true }} />
          <Field c={c} label="Role" name="role" value="viewer" options={MEANING} />
          <div class="actions">
            <button class="primary" type="submit">
              Invite
            </button>
          </div>
        </Form>
      ) : null}
    </>,
  )
}

import { Hono } from 'hono'
import type { Made } from '../../../core/accounts/descent.ts'
import { changeRole, listOwners, madeByOwner, ROLES, removeOwner } from '../../../core/accounts/people.ts'
import {
  listSecondAddresses,
  removeSecondAddress,
  type SecondAddress,
} from '../../../core/accounts/second-addresses.ts'
import { may } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { askSecondAddress, inviteOwner } from '../../../core/notices/people.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { formOf } from '../forms/form.ts'
import { posted } from '../forms/posted.ts'
import { Field, type Option } from '../parts/fields.tsx'
import { Form, Submit } from '../parts/forms.tsx'
import { Table } from '../parts/table.tsx'
import { Badge, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'

type Person = Awaited<ReturnType<typeof listOwners>>[number]

const MEANING: Option[] = [
  ['owner', 'owner: may do everything'],
  ['approver', 'approver: reads and decides'],
  ['viewer', 'viewer: only reads'],
]

/** The people of the account, and the role of each. */
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

people.post('/people/addresses', async (c) => {
  return await posted(c, {
    async act({ address = '' }) {
      await askSecondAddress(c.var.ctx, address)
      return done(c, '/portal/people', `We mailed a link to ${address}. It confirms the address.`)
    },
    again: () => peoplePage(c),
    mended: ['invalid', 'conflict', 'too_many_attempts'],
    field: 'address',
  })
})

people.post('/people/addresses/remove', async (c) => {
  const { contact = '' } = await formOf(c)
  await removeSecondAddress(c.var.ctx, contact)
  return done(c, '/portal/people', 'The address is removed.')
})

people.post('/people/:ownerId/role', async (c) => {
  const { role } = await formOf(c)
  await changeRole(c.var.ctx, c.req.param('ownerId'), roleOf(role))
  return done(c, '/portal/people', 'The role is changed.')
})

people.get('/people/:ownerId/remove', async (c) => {
  const { owner, made } = await madeByOwner(c.var.ctx, c.req.param('ownerId'))
  return await page(c, `Remove ${owner.email}`, <RemovalForm c={c} owner={owner} made={made} />)
})

people.post('/people/:ownerId/remove', async (c) => {
  const { made } = await formOf(c)
  await removeOwner(c.var.ctx, c.req.param('ownerId'), { keepsMade: made === 'keep' })
  return done(c, '/portal/people', 'The person is removed.')
})

function roleOf(given: string | undefined) {
  const role = ROLES.find((each) => each === given)
  if (role) return role
  throw new Fault('invalid', `Choose a role: ${ROLES.join(', ')}.`, { field: 'role' })
}

async function peoplePage(c: PortalContext) {
  const mayManage = may(c.var.ctx, 'manage')
  const [everybody, others] = await Promise.all([listOwners(c.var.ctx), listSecondAddresses(c.var.ctx)])
  return await page(
    c,
    'People',
    <>
      <Table
        caption="People"
        head={['Address', 'Role', 'Member since', '']}
        rows={everybody.map((person) => [
          person.email,
          mayManage ? <RoleForm c={c} person={person} /> : <Badge state={person.role} />,
          person.verifiedAt ? <Time at={person.verifiedAt} /> : 'invited',
          mayManage ? (
            <a href={`/portal/people/${person.id}/remove`}>
              Remove <span class="visually-hidden">{person.email}</span>
            </a>
          ) : null,
        ])}
      />
      {mayManage ? (
        <Form c={c} action="/portal/people" class="card">
          <h2>Invite a person</h2>
          <Field c={c} label="Address" name="email" attributes={{ type: 'email', required: true }} />
          <Field c={c} label="Role" name="role" value="viewer" options={MEANING} />
          <Submit>Invite</Submit>
        </Form>
      ) : null}
      <OtherAddresses c={c} others={others} />
    </>,
  )
}

/** Asks what becomes of the credentials that a person made. They end unless somebody says otherwise. */
function RemovalForm({ c, owner, made }: { c: PortalContext; owner: Person; made: Made }) {
  const names = [
    ...made.keys.map(({ prefix, label }) => `key ${label ?? ''} ${prefix}…`),
    ...made.smtpCredentials.map(({ id, name }) => `SMTP password ${name ?? id}`),
    ...made.webhooks.map(({ url }) => `webhook ${url}`),
  ]
  return (
    <Form c={c} action={`/portal/people/${owner.id}/remove`} class="card">
      <p>{owner.email} loses access to the account at once.</p>
      {names.length === 0 ? (
        <p>This person has made no keys, SMTP passwords or webhooks that still work.</p>
      ) : (
        <>
          <p>This person, or a key of theirs, has made:</p>
          <ul>
            {names.map((name) => (
              <li>{name}</li>
            ))}
          </ul>
          <Field
            c={c}
            label="What happens to these"
            name="made"
            value="end"
            options={[
              ['end', 'they end, too'],
              ['keep', 'they go on'],
            ]}
          />
        </>
      )}
      <Submit>Remove</Submit>
    </Form>
  )
}

/** The signed-in person's other addresses. */
function OtherAddresses({ c, others }: { c: PortalContext; others: SecondAddress[] }) {
  return (
    <>
      <h2>Other addresses of yours</h2>
      <p>
        With each of them you can sign in to this account, too. You need one before you attach a domain that
        your own address lies in.
      </p>
      <Table
        caption="Other addresses"
        head={['Address', 'Confirmed', '']}
        rows={others.map(({ email, contact, verifiedAt }) => [
          email,
          verifiedAt ? <Time at={verifiedAt} /> : 'not yet',
          <Form c={c} action="/portal/people/addresses/remove" class="row">
            <input type="hidden" name="contact" value={contact} />
            <button class="small danger" type="submit">
              Remove <span class="visually-hidden">{email}</span>
            </button>
          </Form>,
        ])}
      />
      <Form c={c} action="/portal/people/addresses" class="card">
        <Field c={c} label="Another address" name="address" attributes={{ type: 'email', required: true }} />
        <Submit>Add</Submit>
      </Form>
    </>
  )
}

function RoleForm({ c, person }: { c: PortalContext; person: Person }) {
  return (
    <Form c={c} action={`/portal/people/${person.id}/role`} class="row">
      <label for={`role-${person.id}`} class="visually-hidden">
        Role of {person.email}
      </label>
      <select name="role" id={`role-${person.id}`}>
        {ROLES.map((role) => (
          <option value={role} selected={role === person.role}>
            {role}
          </option>
        ))}
      </select>
      <button class="small" type="submit">
        Change <span class="visually-hidden">the role of {person.email}</span>
      </button>
    </Form>
  )
}

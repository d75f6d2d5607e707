import { Hono } from 'hono'
import {
  type CanaryRecord,
  createCanary,
  deleteCanary,
  listCanaries,
} from '../../../core/accounts/canaries.ts'
import { getDlp, updateDlp } from '../../../core/accounts/dlp-policy.ts'
import { type Finding, listFindings } from '../../../core/governance/dlp-findings.ts'
import { may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { DLP_MODES, type DlpMode } from '../../../core/reading/dlp/mode.ts'
import { posted } from '../forms/posted.ts'
import { asked, Badge, Empty, Field, Form, Listing, PAGE, Table, Time, type Tone } from '../parts/parts.tsx'
import { secretPage } from '../parts/secret.tsx'
import { done, type Portal, type PortalContext } from '../session.ts'
import { page } from '../shell.tsx'

/** As many as a tenant can have. */
const CANARIES_AT_MOST = 100

const MEANING: Record<DlpMode, string> = {
  monitor: 'monitor: it is sent, and noted here',
  redact: 'redact: it is struck out',
  block: 'block: the message is refused',
}

const TONE: Record<DlpMode, Tone> = { monitor: '', redact: 'wait', block: 'good' }

/** What must not leave: by which rules outgoing mail is looked through, the texts laid as traps, and what was found. */
export const dlp = new Hono<Portal>()

dlp.get('/dlp', dlpPage)

dlp.post('/dlp', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await posted(c, {
    async act(form) {
      const mode = DLP_MODES.find((each) => each === form.mode)
      if (!mode) throw new Fault('invalid', 'Choose what becomes of what is found.', { field: 'mode' })
      // What is not ticked is looked for, so that a form that lost its fields is strict.
      const disabledRules = Object.keys(form).flatMap((name) => /^off-(.+)$/.exec(name)?.[1] ?? [])
      await updateDlp(c.var.ctx, { mode, disabledRules })
      return done(c, '/portal/dlp', 'The policy is changed. It counts from the next send on.')
    },
    again: () => dlpPage(c),
  })
})

dlp.post('/dlp/canaries', async (c) => {
  return await posted(c, {
    async act({ label, value: text }) {
      const { value } = await createCanary(c.var.ctx, {
        label: label?.trim().slice(0, 200) || null,
        value: text?.trim() || null,
      })
      return await secretPage(c, {
        title: 'Your new canary',
        secret: value,
        what: 'the canary',
        note: 'It is shown this once. Lay it where nobody has business; what holds it is refused.',
        back: '/portal/dlp',
      })
    },
    again: () => dlpPage(c),
    mended: ['invalid', 'conflict'],
  })
})

dlp.post('/dlp/canaries/:canaryId/lift', async (c) => {
  await deleteCanary(c.var.ctx, c.req.param('canaryId'))
  return done(c, '/portal/dlp', 'The canary is lifted: this text may leave.')
})

async function dlpPage(c: PortalContext) {
  const { ctx } = c.var
  const [policy, canaries, { findings, next }] = await Promise.all([
    getDlp(ctx),
    listCanaries(ctx, { limit: CANARIES_AT_MOST }),
    listFindings(ctx, { before: asked(c, 'before') ?? null, limit: PAGE }),
  ])
  const mayManage = may(ctx, 'manage')
  return await page(
    c,
    'Data loss prevention',
    <>
      <p class="lead">
        Every outgoing message is looked through for what must not leave.{' '}
        <Badge state={policy.mode} tone={TONE[policy.mode]} />
      </p>
      <Form c={c} action="/portal/dlp" class="card">
        <h2>Policy</h2>
        <Field
          c={c}
          label="What becomes of what is found"
          name="mode"
          value={policy.mode}
          options={DLP_MODES.map((mode): [string, string] => [mode, MEANING[mode]])}
        />
        <fieldset>
          <legend>Do not look for</legend>
          {policy.rules.map(({ name, description, enabled }) => (
            <label class="tick">
              <input type="checkbox" name={`off-${name}`} checked={!enabled} />
              <span>
                {description} <code class="soft">{name}</code>
              </span>
            </label>
          ))}
        </fieldset>
        {mayManage ? (
          <div class="actions">
            <button class="primary" type="submit">
              Change the policy
            </button>
            <span class="soft">Rules of {policy.rulesVersion}</span>
          </div>
        ) : (
          <p class="note">Your role lets you read this.</p>
        )}
      </Form>
      <h2>Canaries</h2>
      <p>
        A canary is a text that nobody has reason to send. A message that holds it is refused at every door,
        in whatever case and whatever stands between its letters. Only its hash is kept.
      </p>
      <Canaries c={c} canaries={canaries} />
      {mayManage ? (
        <Form c={c} action="/portal/dlp/canaries" class="card">
          <h3>A new canary</h3>
          <Field
            c={c}
            label="Where you will lay it"
            name="label"
            attributes={{ maxlength: 200, autocomplete: 'off' }}
          />
          <Field
            c={c}
            label="Its text"
            name="value"
            hint="12 to 256 letters and digits. Empty, one is drawn."
            attributes={{ maxlength: 1_000, autocomplete: 'off', spellcheck: 'false' }}
          />
          <div class="actions">
            <button type="submit">Plant it</button>
          </div>
        </Form>
      ) : null}
      <h2>What was found</h2>
      <Findings c={c} findings={findings} next={next} canaries={canaries} />
    </>,
  )
}

function Canaries({ c, canaries }: { c: PortalContext; canaries: CanaryRecord[] }) {
  if (canaries.length === 0) return <Empty>No canary is planted.</Empty>
  const mayManage = may(c.var.ctx, 'manage')
  return (
    <Table
      caption="Canaries"
      head={['Where', 'Messages refused', 'Last', 'Planted', '']}
      rows={canaries.map(({ id, label, trips, trippedAt, createdAt }) => [
        label ?? 'No label',
        trips,
        <Time at={trippedAt} />,
        <Time at={createdAt} />,
        mayManage ? (
          <Form c={c} action={`/portal/dlp/canaries/${id}/lift`}>
            <button
              class="small danger"
              type="submit"
              data-confirm="Lift this canary? Its text may leave then."
            >
              Lift <span class="visually-hidden">{label ?? id}</span>
            </button>
          </Form>
        ) : null,
      ])}
    />
  )
}

function Findings({
  c,
  findings,
  next,
  canaries,
}: {
  c: PortalContext
  findings: Finding[]
  next: string | null
  canaries: CanaryRecord[]
}) {
  const nameOf = (canaryId: string) => {
    const canary = canaries.find(({ id }) => id === canaryId)
    return canary ? `the canary ${canary.label ?? canaryId}` : 'a canary that has been lifted'
  }
  const counted = ({ rule, count }: Finding['found'][number]) =>
    `${rule.replaceAll('_', ' ')}${count > 1 ? `, ${count} times` : ''}`
  return (
    <Listing
      c={c}
      of={{ shown: findings, next }}
      caption="Found"
      head={['Message to', 'Found', 'Where', 'What became of it', 'When']}
      row={({ sendId, recipient, found, canaries: tripped, state, reason, at }) => [
        <a href={`/portal/sends/${sendId}`}>{recipient ?? sendId}</a>,
        [...found.map(counted), ...tripped.map(({ id }) => nameOf(id))].join('; '),
        [...new Set([...found.flatMap(({ where }) => where), ...tripped.map(({ where }) => where)])].join(
          ', ',
        ),
        <>
          <Badge state={state} /> {reason?.replaceAll('_', ' ') ?? ''}
        </>,
        <Time at={at} />,
      ]}
    >
      {next === null ? 'Nothing has been found.' : 'Nothing was found in the newest of these sends.'}
    </Listing>
  )
}

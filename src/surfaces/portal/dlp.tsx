import { Hono } from 'hono'
import { may, mustBeAllowed } from '../../core/ctx.ts'
import { type CanaryRecord, createCanary, deleteCanary, listCanaries } from '../../core/dlp/canaries.ts'
import { type Finding, listFindings } from '../../core/dlp/findings.ts'
import { DLP_MODES, type DlpMode } from '../../core/dlp/mode.ts'
import { getDlp, updateDlp } from '../../core/dlp/policy.ts'
import { Fault } from '../../core/fault.ts'
import { showsSecret } from '../http.ts'
import {
  asked,
  Badge,
  Copy,
  Empty,
  Field,
  Form,
  Listing,
  PAGE,
  Table,
  Time,
  type Tone,
  Trouble,
  type Wrong,
  wrongOf,
} from './parts.tsx'
import { done, formOf, type Form as Given, type Portal, type PortalContext } from './session.ts'
import { page } from './shell.tsx'

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

dlp.get('/dlp', async (c) => await dlpPage(c, {}, null))

dlp.post('/dlp', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  const form = await formOf(c)
  try {
    const mode = DLP_MODES.find((each) => each === form.mode)
    if (!mode) throw new Fault('invalid', 'Choose what becomes of what is found.', { field: 'mode' })
    // What is not ticked is looked for, so that a form that lost its fields is strict.
    const disabledRules = Object.keys(form).flatMap((name) => /^off-(.+)$/.exec(name)?.[1] ?? [])
    await updateDlp(c.var.ctx, { mode, disabledRules })
  } catch (error) {
    return await dlpPage(c, form, wrongOf(error))
  }
  return done(c, '/portal/dlp', 'The policy is changed. It counts from the next send on.')
})

dlp.post('/dlp/canaries', async (c) => {
  const form = await formOf(c)
  try {
    const { value } = await createCanary(c.var.ctx, {
      label: form.label?.trim().slice(0, 200) || null,
      value: form.value?.trim() || null,
    })
    showsSecret(c)
    return await page(
      c,
      'Your new canary',
      <>
        <p class="note">It is shown this once. Lay it where nobody has business; what holds it is refused.</p>
        <p class="secret">{value}</p>
        <div class="actions">
          <Copy text={value} what="the canary" />
          <a class="button" href="/portal/dlp">
            I have copied it
          </a>
        </div>
      </>,
    )
  } catch (error) {
    return await dlpPage(c, form, wrongOf(error, ['invalid', 'conflict']))
  }
})

dlp.post('/dlp/canaries/:canaryId/lift', async (c) => {
  await deleteCanary(c.var.ctx, c.req.param('canaryId'))
  return done(c, '/portal/dlp', 'The canary is lifted: this text may leave.')
})

async function dlpPage(c: PortalContext, given: Given, wrong: Wrong | null) {
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
      <Trouble wrong={wrong && !['mode', 'value'].includes(wrong.field) ? wrong : null} />
      <Form c={c} action="/portal/dlp" class="card">
        <h2>Policy</h2>
        <Field
          label="What becomes of what is found"
          name="mode"
          value={policy.mode}
          wrong={wrong}
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
            label="Where you will lay it"
            name="label"
            value={given.label}
            attributes={{ maxlength: 200, autocomplete: 'off' }}
          />
          <Field
            label="Its text"
            name="value"
            value={given.value}
            wrong={wrong}
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
    wrong ? 422 : 200,
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

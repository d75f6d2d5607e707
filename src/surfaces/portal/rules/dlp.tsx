import { Hono } from 'hono'
import { createCanary, deleteCanary, listCanaries } from '../../../core/accounts/canaries.ts'
import { getDlp, updateDlp } from '../../../core/accounts/dlp-policy.ts'
import { listFindings } from '../../../core/governance/dlp-findings.ts'
import { may, mustBeAllowed } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { DLP_MODES, type DlpMode } from '../../../core/reading/dlp/mode.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'
import { posted } from '../forms/posted.ts'
import { Field, type Option, Tick } from '../parts/fields.tsx'
import { Form } from '../parts/forms.tsx'
import { asked, PAGE } from '../parts/list.tsx'
import { secretPage } from '../parts/secret.tsx'
import { Badge, type Tone } from '../parts/text.tsx'
import { page } from '../shell.tsx'
import { Canaries, CanaryForm } from './canaries.tsx'
import { Findings } from './findings.tsx'

/** The most canaries that a tenant can have. */
const CANARIES_AT_MOST = 100

const MEANING: Record<DlpMode, string> = {
  monitor: 'monitor: send the message and record the finding',
  redact: 'redact: remove the finding from the message',
  block: 'block: refuse the message',
}

const TONE: Record<DlpMode, Tone> = { monitor: '', redact: 'wait', block: 'good' }

/** Data loss prevention: the policy, the canaries, and the findings. */
export const dlp = new Hono<Portal>()

dlp.get('/dlp', dlpPage)

dlp.post('/dlp', async (c) => {
  mustBeAllowed(c.var.ctx, 'manage')
  return await posted(c, {
    async act(form) {
      const mode = DLP_MODES.find((each) => each === form.mode)
      if (!mode) throw new Fault('invalid', 'Choose a mode: monitor, redact or block.', { field: 'mode' })
      // A tick switches a rule off, so that a form that lost its fields leaves every rule on.
      const disabledRules = Object.keys(form).flatMap((name) => /^off-(.+)$/.exec(name)?.[1] ?? [])
      await updateDlp(c.var.ctx, { mode, disabledRules })
      return done(c, '/portal/dlp', 'Saved. The policy applies from the next send on.')
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
        note: 'It is shown only once. Put it where nobody should look. A message that contains it is refused.',
        back: '/portal/dlp',
      })
    },
    again: () => dlpPage(c),
    mended: ['invalid', 'conflict'],
  })
})

dlp.post('/dlp/canaries/:canaryId/lift', async (c) => {
  await deleteCanary(c.var.ctx, c.req.param('canaryId'))
  return done(c, '/portal/dlp', 'The canary is removed. Messages may now contain its text.')
})

async function dlpPage(c: PortalContext) {
  const { ctx } = c.var
  const [policy, canaries, { findings, next }] = await Promise.all([
    getDlp(ctx),
    listCanaries(ctx, { limit: CANARIES_AT_MOST }),
    listFindings(ctx, { before: asked(c, 'before') ?? null, limit: PAGE }),
  ])
  return await page(
    c,
    'Data loss prevention',
    <>
      <p class="lead">
        Every outgoing message is scanned for content that must not leave.{' '}
        <Badge state={policy.mode} tone={TONE[policy.mode]} />
      </p>
      <PolicyForm c={c} policy={policy} />
      <h2>Canaries</h2>
      <p>
        A canary is a text that nobody has a reason to send. Every message that contains it is refused, also
        if its case differs or other characters are between its letters. Only its hash is stored.
      </p>
      <Canaries c={c} canaries={canaries} />
      {may(ctx, 'manage') ? <CanaryForm c={c} /> : null}
      <h2>Findings</h2>
      <Findings c={c} findings={findings} next={next} canaries={canaries} />
    </>,
  )
}

type Policy = Awaited<ReturnType<typeof getDlp>>

function PolicyForm({ c, policy }: { c: PortalContext; policy: Policy }) {
  return (
    <Form c={c} action="/portal/dlp" class="card">
      <h2>Policy</h2>
      <Field
        c={c}
        label="If something is found"
        name="mode"
        value={policy.mode}
        options={DLP_MODES.map((mode): Option => [mode, MEANING[mode]])}
      />
      <fieldset>
        <legend>Do not look for</legend>
        {policy.rules.map(({ name, description, enabled }) => (
          <Tick name={`off-${name}`} checked={!enabled}>
            <span>
              {description} <code class="soft">{name}</code>
            </span>
          </Tick>
        ))}
      </fieldset>
      {may(c.var.ctx, 'manage') ? (
        <div class="actions">
          <button class="primary" type="submit">
            Save the policy
          </button>
          <span class="soft">Rules of {policy.rulesVersion}</span>
        </div>
      ) : (
        <p class="note">Your role may only read this.</p>
      )}
    </Form>
  )
}

import type { CanaryRecord } from '../../../core/accounts/canaries.ts'
import { may } from '../../../core/ground/ctx.ts'
import type { PortalContext } from '../context.ts'
import { Field } from '../parts/fields.tsx'
import { ButtonForm, Form } from '../parts/forms.tsx'
import { Table } from '../parts/table.tsx'
import { Empty, Time } from '../parts/text.tsx'

/** The canaries that are planted, and how often each stopped a message. */
export function Canaries({ c, canaries }: { c: PortalContext; canaries: CanaryRecord[] }) {
  if (canaries.length === 0) return <Empty>No canary is planted.</Empty>
  const mayManage = may(c.var.ctx, 'manage')
  return (
    <Table
      caption="Canaries"
      head={['Where', 'Messages refused', 'Last refusal', 'Planted', '']}
      rows={canaries.map(({ id, label, trips, trippedAt, createdAt }) => [
        label ?? 'No label',
        trips,
        <Time at={trippedAt} />,
        <Time at={createdAt} />,
        mayManage ? (
          <ButtonForm
            c={c}
            action={`/portal/dlp/canaries/${id}/lift`}
            class="small danger"
            confirm="Remove this canary? Messages may then contain its text."
            about={label ?? id}
          >
            Remove
          </ButtonForm>
        ) : null,
      ])}
    />
  )
}

/** The form that plants a canary. */
export function CanaryForm({ c }: { c: PortalContext }) {
  return (
    <Form c={c} action="/portal/dlp/canaries" class="card">
      <h3>A new canary</h3>
      <Field
        c={c}
        label="Where you will put it"
        name="label"
        attributes={{ maxlength: 200, autocomplete: 'off' }}
      />
      <Field
        c={c}
        label="Its text"
        name="value"
        hint="12 to 256 letters and digits. If you leave this empty, a random text is made."
        attributes={{ maxlength: 1_000, autocomplete: 'off', spellcheck: 'false' }}
      />
      <div class="actions">
        <button type="submit">Plant it</button>
      </div>
    </Form>
  )
}

import { Fault } from '../../../core/ground/fault.ts'
import { Field, Form } from '../parts/parts.tsx'
import type { PortalContext } from '../session.ts'
import { fromCsv } from './csv.ts'
import { fileOf } from './form.ts'

/** Takes in the rows of an uploaded file one by one; the first that is wrong ends it, and those before it stay. */
export async function takeIn(
  c: PortalContext,
  row: (cells: Record<string, string | undefined>) => Promise<unknown>,
): Promise<number> {
  let count = 0
  try {
    for (const cells of fromCsv((await fileOf(c, 'file')) ?? '')) {
      await row(cells)
      count++
    }
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'invalid') throw error
    const { message } = error
    const said = count === 0 ? message : `Row ${count + 1}: ${message} The ${count} before it are in.`
    throw new Fault('invalid', said, { field: 'file' })
  }
  return count
}

/** The form by which a file is taken in. */
export function Import({ c, action, columns }: { c: PortalContext; action: string; columns: string }) {
  return (
    <Form c={c} action={action} class="card" upload>
      <h2>Import a CSV file</h2>
      <Field
        c={c}
        label="File"
        name="file"
        hint={`Up to 1,000 rows; the first line names the columns: ${columns}.`}
        attributes={{ type: 'file', accept: '.csv,text/csv', required: true }}
      />
      <div class="actions">
        <button type="submit">Import</button>
      </div>
    </Form>
  )
}

import { Fault } from '../../../core/ground/fault.ts'
import type { PortalContext } from '../context.ts'
import { Field } from '../parts/fields.tsx'
import { Form } from '../parts/forms.tsx'
import { fromCsv } from './csv.ts'
import { fileOf } from './form.ts'

/** Imports the rows of an uploaded file one by one. The first wrong row ends the import; the rows before it stay imported. */
export async function importRows(
  c: PortalContext,
  importRow: (cells: Record<string, string | undefined>) => Promise<unknown>,
): Promise<number> {
  let count = 0
  try {
    for (const cells of fromCsv((await fileOf(c, 'file')) ?? '')) {
      await importRow(cells)
      count++
    }
  } catch (error) {
    if (!(error instanceof Fault) || error.code !== 'invalid') throw error
    const { message } = error
    const said =
      count === 0 ? message : `Row ${count + 1}: ${message} The ${count} rows before it are imported.`
    throw new Fault('invalid', said, { field: 'file' })
  }
  return count
}

/** The form that uploads a file to import. */
export function ImportForm({ c, action, columns }: { c: PortalContext; action: string; columns: string }) {
  return (
    <Form c={c} action={action} class="card" upload>
      <h2>Import a CSV file</h2>
      <Field
        c={c}
        label="File"
        name="file"
        hint={`Up to 1,000 rows. The first line names the columns: ${columns}.`}
        attributes={{ type: 'file', accept: '.csv,text/csv', required: true }}
      />
      <div class="actions">
        <button type="submit">Import</button>
      </div>
    </Form>
  )
}

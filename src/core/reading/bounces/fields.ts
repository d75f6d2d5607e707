/** Header-like fields, names in lower case, in order. */
export type Fields = [name: string, value: string][]

const FIELD = /^([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*:(?!\/\/)(.*)$/

/** The fields of one group. A line that is no field goes on with the one above: some reporters fold without a space. */
export function readFields(text: string): Fields {
  const fields: Fields = []
  for (const line of text.split('\n')) {
    const [, name, value] = FIELD.exec(line.trimEnd()) ?? []
    const last = fields.at(-1)
    if (name !== undefined && value !== undefined) fields.push([name.toLowerCase(), value.trim()])
    else if (last && !line.startsWith('--')) last[1] = `${last[1]} ${line.trim()}`.trim()
  }
  return fields
}

/** The first value of a field that has one, or null. */
export function find(fields: Fields, name: string): string | null {
  return fields.find((field) => field[0] === name && field[1] !== '')?.[1] ?? null
}

/** What stands behind the type of an address, a host or a diagnostic: `rfc822; a@example.com`, `smtp; 550 no`. */
export function typed(value: string | null): string | null {
  const text = value?.replace(/^[\w.+-]{1,40}[ \t]*;/, '').trim() ?? ''
  return text === '' ? null : text
}

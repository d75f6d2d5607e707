/** Fields in the form of a header, in order, with names in lower case. */
export type Fields = [name: string, value: string][]

const FIELD = /^([A-Za-z][A-Za-z0-9-]{0,60})[ \t]*:(?!\/\/)(.*)$/

/** Reads the fields of one group. A line without a name continues the field above: some reporters fold without a space. */
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

/** The first value of a field that is not empty, or null. */
export function find(fields: Fields, name: string): string | null {
  return fields.find((field) => field[0] === name && field[1] !== '')?.[1] ?? null
}

/** The value after the type prefix, as in `rfc822; a@example.com` or `smtp; 550 no`. Null if it is empty. */
export function typed(value: string | null): string | null {
  const text = value?.replace(/^[\w.+-]{1,40}[ \t]*;/, '').trim() ?? ''
  return text === '' ? null : text
}

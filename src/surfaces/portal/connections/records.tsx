import type { DnsRecord } from '../../../core/accounts/domains/records.ts'
import type { Verified } from '../../../core/accounts/domains/verify.ts'
import { Badge, Copy, Table } from '../parts/parts.tsx'

const PURPOSES: Record<DnsRecord['purpose'], string> = {
  delegation: 'hands the domain to our name servers',
  ownership: 'proves that it is yours',
  spf: 'lets our servers send for it',
  dkim: 'the key that its mail is signed with',
  dmarc: 'what others do with mail that is not signed',
  bounce: 'brings bounces back to us',
}

const PROBLEMS: Record<Verified['missing'][number]['problem'], string> = {
  not_found: 'not found',
  wrong_value: 'another value',
  several_records: 'there are several',
  lookup_failed: 'no answer',
  held_by_another: 'another account has proved it',
}

type State = { badge: string; tone: 'good' | 'bad' | ''; found: string[] }

/** How a record stands: by what was just looked up, else by what was true when the domain was verified. */
export function stateOf(record: DnsRecord, missing: Verified['missing'] | null, isVerified: boolean): State {
  const wrong = missing?.find(({ purpose, value }) => purpose === record.purpose && value === record.value)
  if (wrong) return { badge: PROBLEMS[wrong.problem], tone: 'bad', found: wrong.found }
  if (missing !== null || isVerified) return { badge: 'in place', tone: 'good', found: [] }
  return { badge: 'not looked up', tone: '', found: [] }
}

/** What a look at the records has come to, as a whole. */
export function Verdict({ missing }: { missing: Verified['missing'] }) {
  if (missing.length === 0) {
    return (
      <div class="note good" role="status">
        All is in place: the domain is verified.
      </div>
    )
  }
  const isUnclear = missing.some(({ problem }) => problem === 'lookup_failed')
  return (
    <div class="note bad" role="alert">
      {isUnclear
        ? 'The name servers of the domain gave no clear answer, so nothing is decided. Try again in a minute.'
        : missing.length === 1
          ? 'One record is not as it must be.'
          : `${missing.length} records are not as they must be.`}
    </div>
  )
}

/** Records to be copied one by one, each with its state where it is judged. */
export function Records({
  caption,
  records,
  stateOf: told,
}: {
  caption: string
  records: DnsRecord[]
  stateOf: (record: DnsRecord) => State | null
}) {
  const rows = records.map((record) => {
    const { type, name, value, purpose } = record
    const state = told(record)
    return [
      <span class="mono">{type}</span>,
      <span class="copied">
        <code>{name}</code> <Copy text={name} what={`the name of the ${purpose} record`} />
      </span>,
      <span class="copied">
        <code>{value}</code> <Copy text={value} what={`the value of the ${purpose} record`} />
      </span>,
      PURPOSES[purpose],
      ...(state
        ? [
            <>
              <Badge state={state.badge} tone={state.tone} />
              {state.found.map((text) => (
                <p class="soft">
                  Found: <code>{text}</code>
                </p>
              ))}
            </>,
          ]
        : []),
    ]
  })
  const isJudged = rows.every((cells) => cells.length === 5)
  return (
    <Table
      caption={caption}
      head={['Type', 'Name', 'Value', 'What for', ...(isJudged ? ['State'] : [])]}
      rows={rows}
    />
  )
}

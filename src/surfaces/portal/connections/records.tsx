import type { DnsRecord } from '../../../core/accounts/domains/records.ts'
import type { Verified } from '../../../core/accounts/domains/verify.ts'
import { Table } from '../parts/table.tsx'
import { Badge, Copy } from '../parts/text.tsx'

const PURPOSES: Record<DnsRecord['purpose'], string> = {
  delegation: 'delegates the domain to our name servers',
  ownership: 'proves that the domain is yours',
  spf: 'allows our servers to send for the domain',
  dkim: 'holds the key that its mail is signed with',
  dmarc: 'tells others what to do with unsigned mail',
  bounce: 'sends bounces back to us',
}

const PROBLEMS: Record<Verified['missing'][number]['problem'], string> = {
  not_found: 'not found',
  wrong_value: 'another value',
  several_records: 'several records',
  lookup_failed: 'lookup failed',
  held_by_another: 'verified by another account',
}

type State = { badge: string; tone: 'good' | 'bad' | ''; found: string[] }

/** The state of a record: as the lookup just found it or, without a lookup, as it was when the domain was verified. */
export function stateOf(record: DnsRecord, missing: Verified['missing'] | null, isVerified: boolean): State {
  const wrong = missing?.find(({ purpose, value }) => purpose === record.purpose && value === record.value)
  if (wrong) return { badge: PROBLEMS[wrong.problem], tone: 'bad', found: wrong.found }
  if (missing !== null || isVerified) return { badge: 'in place', tone: 'good', found: [] }
  return { badge: 'not looked up', tone: '', found: [] }
}

/** The result of a lookup of all records. */
export function LookupResult({ missing }: { missing: Verified['missing'] }) {
  if (missing.length === 0) {
    return (
      <div class="note good" role="status">
        All records are in place. The domain is verified.
      </div>
    )
  }
  const isUnclear = missing.some(({ problem }) => problem === 'lookup_failed')
  return (
    <div class="note bad" role="alert">
      {isUnclear
        ? 'The name servers of the domain did not answer clearly, so nothing has changed. Try again in a minute.'
        : missing.length === 1
          ? 'One record is missing or wrong.'
          : `${missing.length} records are missing or wrong.`}
    </div>
  )
}

/** Records to copy one by one. A record has a state only if `stateOf` gives one. */
export function Records({
  caption,
  records,
  stateOf: stateOfRecord,
}: {
  caption: string
  records: DnsRecord[]
  stateOf?: (record: DnsRecord) => State
}) {
  return (
    <Table
      caption={caption}
      head={['Type', 'Name', 'Value', 'Purpose', ...(stateOfRecord ? ['State'] : [])]}
      rows={records.map((record) => [
        <span class="mono">{record.type}</span>,
        <CopiedValue text={record.name} what={`the name of the ${record.purpose} record`} />,
        <CopiedValue text={record.value} what={`the value of the ${record.purpose} record`} />,
        PURPOSES[record.purpose],
        ...(stateOfRecord ? [<RecordState state={stateOfRecord(record)} />] : []),
      ])}
    />
  )
}

function CopiedValue({ text, what }: { text: string; what: string }) {
  return (
    <span class="copied">
      <code>{text}</code> <Copy text={text} what={what} />
    </span>
  )
}

function RecordState({ state: { badge, tone, found } }: { state: State }) {
  return (
    <>
      <Badge state={badge} tone={tone} />
      {found.map((text) => (
        <p class="soft">
          Found: <code>{text}</code>
        </p>
      ))}
    </>
  )
}

import { Hono } from 'hono'
import { listOwners } from '../../../core/accounts/people.ts'
import { type LoggedEntry, listEntries, logLines, logTable } from '../../../core/governance/audit/log.ts'
import { searchEntries } from '../../../core/governance/audit/search.ts'
import { type Signature, type Verified, verifyLog } from '../../../core/governance/audit/verify.ts'
import { fileOf } from '../../http.ts'
import type { Portal, PortalContext } from '../context.ts'
import { Field, type Option } from '../parts/fields.tsx'
import { asked, Filter, Listing, PAGE } from '../parts/list.tsx'
import { Facts } from '../parts/table.tsx'
import { Id, Time } from '../parts/text.tsx'
import { page } from '../shell.tsx'

type Head = Awaited<ReturnType<typeof listEntries>>['head']
type People = Awaited<ReturnType<typeof listOwners>>

const ACTORS: Option[] = [
  ['', 'anybody'],
  ['human', 'a person'],
  ['key', 'a key'],
  ['system', 'the system'],
]

/** The audit log: who changed what and when, and whether the log is still as it was written. */
export const audit = new Hono<Portal>()

audit.get('/audit', async (c) => {
  const { ctx } = c.var
  const filter = { action: asked(c, 'action'), actor: asked(c, 'actor'), target: asked(c, 'target') }
  const [{ entries, next }, { total, head, unlinked }, people] = await Promise.all([
    searchEntries(ctx, filter, { before: numberOf(asked(c, 'before')), limit: PAGE }),
    listEntries(ctx, { before: null, limit: 1 }),
    listOwners(ctx),
  ])
  const isFiltered = Object.values(filter).some((value) => value !== undefined)
  return await page(
    c,
    'Audit log',
    <>
      <p class="lead">
        {total} entries. Each entry holds the hash of the entry before it.{' '}
        {unlinked > 0 ? `The newest ${unlinked} get theirs within a minute.` : null}
      </p>
      <div class="row">
        <a class="button" href="/portal/audit/verify">
          Verify the log
        </a>
        <a class="button" href="/portal/audit.csv">
          Export as CSV
        </a>
        <a class="button" href="/portal/audit.ndjson">
          Export with proofs
        </a>
      </div>
      <LastEntry head={head} />
      <FilterFields c={c} filter={filter} people={people} />
      <Listing
        c={c}
        of={{ shown: entries, next: next === null ? null : String(next) }}
        caption="Audit log"
        head={['No.', 'Action', 'Target', 'By', 'When', 'Detail']}
        row={(entry) => [
          entry.seq,
          entry.action,
          entry.target ? <Id>{entry.target}</Id> : '',
          nameOf(entry.actor, people),
          <Time at={entry.at} />,
          <Detail entry={entry} />,
        ]}
      >
        {isFiltered ? 'No entry matches in the part that was searched.' : 'Nothing has been changed yet.'}
      </Listing>
    </>,
  )
})

audit.get('/audit.csv', async (c) => {
  return await fileOf(c, logTable(c.var.ctx), 'text/csv; charset=utf-8', 'audit-log.csv')
})

audit.get('/audit.ndjson', async (c) => {
  return await fileOf(c, logLines(c.var.ctx), 'application/x-ndjson', 'audit-log.ndjson')
})

/** Verifying changes nothing, so everybody who may read the log may verify it. */
audit.get('/audit/verify', async (c) => {
  const verified = await verifyLog(c.var.ctx, numberOf(asked(c, 'after')) ?? 0)
  return await page(
    c,
    'Verification of the audit log',
    <>
      <Outcome verified={verified} />
      {verified.outcome === 'so_far' ? (
        <p>
          <a class="button" href={`/portal/audit/verify?after=${verified.next}`}>
            Verify the next entries
          </a>
        </p>
      ) : null}
      <p>
        This is our own verification. To verify the log without trusting us,{' '}
        <a href="/portal/audit.ndjson">export it with its proofs</a> and check the file on your own machine
        with our public key: <code>molted audit verify audit-log.ndjson</code>
      </p>
      <p>
        <a href="/portal/audit">Back to the log</a>
      </p>
    </>,
  )
})

function LastEntry({ head }: { head: Head }) {
  if (!head) return null
  return (
    <details>
      <summary>The end of the log</summary>
      <Facts
        facts={[
          ['Entry', head.seq],
          ['Hash', <Id>{head.hash}</Id>],
          [
            'Signed',
            head.keyId ? (
              <>
                <Time at={head.at} />, by key <Id>{head.keyId}</Id>
              </>
            ) : (
              'not signed'
            ),
          ],
        ]}
      />
    </details>
  )
}

type Filtered = Record<'action' | 'actor' | 'target', string | undefined>

function FilterFields({ c, filter, people }: { c: PortalContext; filter: Filtered; people: People }) {
  return (
    <Filter>
      <Field
        c={c}
        label="Action"
        name="action"
        value={filter.action}
        attributes={{ maxlength: 100, placeholder: 'domain, or domain.added', autocapitalize: 'off' }}
      />
      <Field
        c={c}
        label="By"
        name="actor"
        value={filter.actor}
        options={[...ACTORS, ...people.map(({ id, email }): Option => [`human:${id}`, email])]}
      />
      <Field
        c={c}
        label="Target"
        name="target"
        value={filter.target}
        attributes={{ maxlength: 200, placeholder: 'an id' }}
      />
    </Filter>
  )
}

function nameOf(actor: string, people: People): string {
  const person = people.find(({ id }) => actor === `human:${id}`)
  return person?.email ?? actor.replace(':', ' ')
}

const SIGNED: Record<Signature, string> = {
  valid: 'The signature of the last entry is valid.',
  wrong: 'The signature of the last entry is wrong: somebody has replaced the end of the log.',
  unknown: 'The last entry is signed with another key than our present one.',
  none: 'The last entry is not signed: no signing key is configured here.',
}

function Outcome({ verified }: { verified: Verified }) {
  if (verified.outcome === 'broken') {
    return (
      <div class="note bad" role="alert">
        Entry {verified.seq} has been changed or is missing: {verified.why}.
      </div>
    )
  }
  const { from, to, erased } = verified
  const isForged = verified.outcome === 'sound' && verified.signature === 'wrong'
  return (
    <>
      <div class={`note ${isForged ? 'bad' : 'good'}`} role={isForged ? 'alert' : 'status'}>
        {to < from
          ? 'There is no entry yet.'
          : `Entries ${from} to ${to} are unchanged, and none is missing.`}{' '}
        {verified.outcome === 'sound' && to > 0 ? SIGNED[verified.signature] : null}
      </div>
      {erased > 0 ? (
        <p>The details of {erased} entries are erased. Their hashes are still verified.</p>
      ) : null}
    </>
  )
}

function Detail({ entry: { seq, detail } }: { entry: LoggedEntry }) {
  if (detail === null) return <span class="soft">erased</span>
  if (detail === '{}') return null
  return (
    <details>
      <summary>
        Read<span class="visually-hidden"> the detail of entry {seq}</span>
      </summary>
      <pre>{JSON.stringify(JSON.parse(detail), null, 2)}</pre>
    </details>
  )
}

function numberOf(text: string | undefined): number | null {
  const number = Number(text ?? '')
  return text !== undefined && Number.isSafeInteger(number) && number >= 0 ? number : null
}

import { Hono } from 'hono'
import { listOwners } from '../../../core/accounts/people.ts'
import { type LoggedEntry, listEntries, logLines, logTable } from '../../../core/governance/audit/log.ts'
import { searchEntries } from '../../../core/governance/audit/search.ts'
import { type Signature, type Verified, verifyLog } from '../../../core/governance/audit/verify.ts'
import { fileOf } from '../../http.ts'
import { asked, Field, Id, Listing, PAGE, Time } from '../parts/parts.tsx'
import type { Portal } from '../session.ts'
import { page } from '../shell.tsx'

const KINDS: [string, string][] = [
  ['', 'anybody'],
  ['human', 'a person'],
  ['key', 'a key'],
  ['system', 'the system'],
]

/** What was changed, by whom and when, and whether the log still is as it was written. */
export const audit = new Hono<Portal>()

audit.get('/audit', async (c) => {
  const { ctx } = c.var
  const filter = { action: asked(c, 'action'), actor: asked(c, 'actor'), target: asked(c, 'target') }
  const [{ entries, next }, { total, head, unlinked }, people] = await Promise.all([
    searchEntries(ctx, filter, { before: numberOf(asked(c, 'before')), limit: PAGE }),
    listEntries(ctx, { before: null, limit: 1 }),
    listOwners(ctx),
  ])
  const nameOf = (actor: string) => {
    const person = people.find(({ id }) => actor === `human:${id}`)
    return person?.email ?? actor.replace(':', ' ')
  }
  const isFiltered = Object.values(filter).some((value) => value !== undefined)
  return await page(
    c,
    'Audit log',
    <>
      <p class="lead">
        {total} entries. {unlinked > 0 ? `The newest ${unlinked} are chained within a minute.` : null} Each is
        bound to all before it.
      </p>
      <div class="row">
        <a class="button" href="/portal/audit/verify">
          Verify the chain
        </a>
        <a class="button" href="/portal/audit.csv">
          Export as CSV
        </a>
        <a class="button" href="/portal/audit.ndjson">
          Export with its proofs
        </a>
      </div>
      {head ? (
        <details>
          <summary>The end of the chain</summary>
          <dl class="facts">
            <dt>Entry</dt>
            <dd>{head.seq}</dd>
            <dt>Hash</dt>
            <dd>
              <Id>{head.hash}</Id>
            </dd>
            <dt>Signed</dt>
            <dd>
              {head.keyId ? (
                <>
                  <Time at={head.at} />, by key <Id>{head.keyId}</Id>
                </>
              ) : (
                'not signed'
              )}
            </dd>
          </dl>
        </details>
      ) : null}
      <form class="row" method="get">
        <Field
          c={c}
          label="What was done"
          name="action"
          value={filter.action}
          attributes={{ maxlength: 100, placeholder: 'domain, or domain.added', autocapitalize: 'off' }}
        />
        <Field
          c={c}
          label="By whom"
          name="actor"
          value={filter.actor}
          options={[...KINDS, ...people.map(({ id, email }): [string, string] => [`human:${id}`, email])]}
        />
        <Field
          c={c}
          label="To what"
          name="target"
          value={filter.target}
          attributes={{ maxlength: 200, placeholder: 'an id' }}
        />
        <button type="submit">Show</button>
      </form>
      <Listing
        c={c}
        of={{ shown: entries, next: next === null ? null : String(next) }}
        caption="Audit log"
        head={['Nr', 'What', 'To what', 'By', 'When', 'Detail']}
        row={(entry) => [
          entry.seq,
          entry.action,
          entry.target ? <Id>{entry.target}</Id> : '',
          nameOf(entry.actor),
          <Time at={entry.at} />,
          <Detail entry={entry} />,
        ]}
      >
        {isFiltered ? 'No such entry in what was looked through.' : 'Nothing has been changed yet.'}
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

/** To look through the log changes nothing in it, so whoever may read it may do so. */
audit.get('/audit/verify', async (c) => {
  const verified = await verifyLog(c.var.ctx, numberOf(asked(c, 'after')) ?? 0)
  return await page(
    c,
    'The chain of the audit log',
    <>
      <Outcome verified={verified} />
      {verified.outcome === 'so_far' ? (
        <p>
          <a class="button" href={`/portal/audit/verify?after=${verified.next}`}>
            Go on
          </a>
        </p>
      ) : null}
      <p>
        We have looked ourselves. So that you need not believe us,{' '}
        <a href="/portal/audit.ndjson">export it with its proofs</a> and check it on your own machine, with
        nothing but our public key: <code>molted audit verify audit-log.ndjson</code>
      </p>
      <p>
        <a href="/portal/audit">Back to the log</a>
      </p>
    </>,
  )
})

const SIGNED: Record<Signature, string> = {
  valid: 'Our key has signed its end.',
  wrong: 'The signature of its end is wrong: somebody has written another end.',
  unknown: 'Its end is signed by another key than the one we have now.',
  none: 'Its end is not signed: no signing key is configured here.',
}

function Outcome({ verified }: { verified: Verified }) {
  if (verified.outcome === 'broken') {
    return (
      <div class="note bad" role="alert">
        Entry {verified.seq} is not as it was written: {verified.why}.
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
          : `Entries ${from} to ${to} are as they were written, and none is missing.`}{' '}
        {verified.outcome === 'sound' && to > 0 ? SIGNED[verified.signature] : null}
      </div>
      {erased > 0 ? <p>The details of {erased} are erased; what they were bound to stands.</p> : null}
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

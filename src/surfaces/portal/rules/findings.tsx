import type { CanaryRecord } from '../../../core/accounts/canaries.ts'
import type { Finding } from '../../../core/governance/dlp-findings.ts'
import type { PortalContext } from '../context.ts'
import { Listing } from '../parts/list.tsx'
import { Badge, Time, words } from '../parts/text.tsx'

type FindingsProps = {
  c: PortalContext
  findings: Finding[]
  next: string | null
  canaries: CanaryRecord[]
}

/** What data loss prevention found in sends: the rule and the place, but never the text. */
export function Findings({ c, findings, next, canaries }: FindingsProps) {
  const nameOf = (canaryId: string) => {
    const canary = canaries.find(({ id }) => id === canaryId)
    return canary ? `the canary ${canary.label ?? canaryId}` : 'a canary that has been removed'
  }
  return (
    <Listing
      c={c}
      of={{ shown: findings, next }}
      caption="Findings"
      head={['Message to', 'Found', 'Where', 'Result', 'When']}
      row={({ sendId, recipient, found, canaries: tripped, state, reason, at }) => [
        <a href={`/portal/sends/${sendId}`}>{recipient ?? sendId}</a>,
        [...found.map(counted), ...tripped.map(({ id }) => nameOf(id))].join('; '),
        [...new Set([...found.flatMap(({ where }) => where), ...tripped.map(({ where }) => where)])].join(
          ', ',
        ),
        <>
          <Badge state={state} /> {words(reason ?? '')}
        </>,
        <Time at={at} />,
      ]}
    >
      {next === null ? 'Nothing has been found.' : 'Nothing was found in these sends. Look at older ones.'}
    </Listing>
  )
}

const counted = ({ rule, count }: Finding['found'][number]) =>
  `${words(rule)}${count > 1 ? `, ${count} times` : ''}`

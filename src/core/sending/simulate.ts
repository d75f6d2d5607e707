import type { Verdict } from '../policy/judge.ts'
import { preview } from './decide.ts'
import type { Door } from './door.ts'
import { gatherStatements, mustKnow, readGathered } from './gather.ts'
import { prepare, type SendError, type SendRequest } from './prepare.ts'

/** The verdict that the send would get, whether its dedupe key is taken, and the missing template variables. */
export type SimulationResult =
  | SendError
  | {
      status: 'simulated'
      requestId: string
      isDuplicate: boolean
      /** Null only if another send has the dedupe key, and the mailbox of that send is deleted. */
      verdict: Verdict | null
      missing: string[]
      /** Whether the dedupe key was derived from the message. */
      isKeyDerived: boolean
    }

/**
 * Judges as `requestSends` would, but takes no key, spends nothing and writes nothing. Each request is judged alone or, if
 * `isSequential`, as if the requests before it had been sent.
 */
export async function simulateSends(
  door: Door,
  requests: SendRequest[],
  { isSequential = false } = {},
): Promise<SimulationResult[]> {
  const prepared = await prepare(door, requests)
  const asked = prepared.flatMap((each) => ('newSend' in each ? each : []))
  const queries = asked.map(
    ({ newSend: { input, id, dedupeKey, mailboxId, template, recipients, scheduledAt } }) => ({
      ...{ id, dedupeKey, mailboxId, template, recipients, scheduledAt },
      campaignId: input.campaignId,
    }),
  )
  const answers = await door.env.DB.batch(gatherStatements(door, queries.length > 0 ? queries : [{ id: '' }]))
  const found = mustKnow(door, readGathered(door, answers), Math.max(queries.length, 1))

  const candidates = asked.flatMap(({ newSend, request }, position) => {
    const subject = found[position]?.subject
    if (!subject) return []
    const input = request.payload === null ? null : newSend.input
    const content = { input: newSend.input, recipients: newSend.recipients, texts: [], rendered: null }
    return [
      {
        ...{ sendId: newSend.id, from: 'judging' as const, subject, input, content },
        ...{ isLarge: false, isRendered: false, mayWaitUntil: null },
      },
    ]
  })
  const previews = await preview(door, found[0]?.keyTenantId ?? '', candidates, isSequential)
  const previewOf = new Map(previews.map((each) => [each.sendId, each]))
  const taken = new Set(asked.filter((_, position) => found[position]?.send).map(({ newSend }) => newSend.id))
  return prepared.map((each): SimulationResult => {
    if ('error' in each) return each.error
    const { verdict = null, missing = [] } = previewOf.get(each.newSend.id) ?? {}
    const { id, burnForMs } = each.newSend
    return {
      ...{ status: 'simulated', requestId: id, isDuplicate: taken.has(id), verdict, missing },
      isKeyDerived: burnForMs !== null,
    }
  })
}

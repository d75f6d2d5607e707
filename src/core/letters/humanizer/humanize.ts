import type { Env } from '../../../env.ts'
import type { HumanizerStyle } from '../../../schema/accounts.ts'
import { tellFailure } from '../../ground/log.ts'
import { reword } from './embedded.ts'
import { isSearchable, type Kind, survives, valuesIn, type Wording, wholeText } from './guard.ts'
import { type Asked, askModel } from './model.ts'

type Fallback =
  | Extract<Asked, { ok: false }>['reason']
  | 'rejected'
  | 'nothing_to_change'
  | 'too_long'
  | 'failed'

/** What the trace keeps of a rewriting: who did it or why not, and the kinds of facts that a refused one lost. */
export type HumanizerNote = {
  used: 'model' | 'embedded' | 'off'
  style: HumanizerStyle
  fallbackReason?: Fallback
  rejected?: Kind[]
}

/**
 * Rewords a message that is about to leave: by the model if one is configured, else by the embedded rules. If the guard
 * refuses a rewriting, the message stays as it was. Never throws, and takes a limited time.
 */
export async function humanize(
  env: Env,
  original: Wording,
  { style, sendId, values }: { style: HumanizerStyle; sendId: string; values: unknown },
): Promise<{ wording: Wording; note: HumanizerNote }> {
  const note: HumanizerNote = { used: 'off', style }
  const rejected = new Set<Kind>()
  const accept = (wording: Wording): boolean => {
    const verdict = survives(original, wording, values)
    if (verdict.ok) return true
    for (const kind of verdict.lost) rejected.add(kind)
    note.fallbackReason ??= 'rejected'
    note.rejected = [...rejected].sort()
    return false
  }
  try {
    if (!isSearchable(wholeText(original))) {
      return { wording: original, note: { ...note, fallbackReason: 'too_long' } }
    }
    const asked = await askModel(env, original, style, sendId)
    if (asked?.ok && accept(asked.wording))
      return { wording: asked.wording, note: { ...note, used: 'model' } }
    if (asked?.ok === false) note.fallbackReason = asked.reason
    const reworded = reword(original, style, sendId, valuesIn(values, original))
    if (isSame(original, reworded)) {
      note.fallbackReason ??= 'nothing_to_change'
      return { wording: original, note }
    }
    if (accept(reworded)) return { wording: reworded, note: { ...note, used: 'embedded' } }
    return { wording: original, note }
  } catch (error) {
    tellFailure('humanizer_failed', error, { sendId })
    return { wording: original, note: { ...note, fallbackReason: note.fallbackReason ?? 'failed' } }
  }
}

function isSame(left: Wording, right: Wording): boolean {
  return left.subject === right.subject && left.text === right.text && left.html === right.html
}

/** A moment, to the minute, in UTC. */
export function Time({ at }: { at: Date | null }) {
  if (!at) return <span class="soft">never</span>
  return (
    <time class="num" datetime={at.toISOString()}>
      {minuteOf(at)}
    </time>
  )
}

/** A moment as text, to the minute, in UTC. */
export const minuteOf = (at: Date) => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`

/** A code such as `retry_wait` as words. */
export const words = (code: string) => code.replaceAll('_', ' ')

export type Tone = 'good' | 'bad' | 'wait' | 'calm' | ''

const TONES: Record<string, Tone> = {
  ...tones('good', 'delivered accepted approved active published granted verified sandboxed owner posted'),
  ...tones(
    'bad',
    'blocked failed bounced complained rejected dead suspended banned frozen revoked refused captured past_due canceled',
  ),
  ...tones(
    'wait',
    'pending pending_approval scheduled retry_wait unknown expired paused draft pending_claim',
  ),
  ...tones('calm', 'queued rendering ready claimed in_flight judging approver viewer'),
}

function tones(tone: Tone, states: string): Record<string, Tone> {
  return Object.fromEntries(states.split(' ').map((state) => [state, tone]))
}

export const toneOf = (state: string): Tone => TONES[state] ?? ''

/** A state in words; the colour adds no meaning of its own. */
export function Badge({ state, tone }: { state: string; tone?: Tone }) {
  return <span class={`badge ${tone ?? toneOf(state)}`}>{words(state)}</span>
}

/** An id in monospace type; a long one may break anywhere. */
export const Id = ({ children }: { children: unknown }) => <code>{children}</code>

/** A link to the history of a contact. */
export const ContactLink = ({ email }: { email: string }) => (
  <a href={`/portal/contacts?email=${encodeURIComponent(email)}`}>{email}</a>
)

/** Says that a list or a section has no content. */
export function Empty({ children }: { children: unknown }) {
  return (
    <div class="empty">
      <p>{children}</p>
    </div>
  )
}

/** A button that copies a text to the clipboard. Without scripts it stays hidden, and the text is selected by hand. */
export function Copy({ text, what }: { text: string; what: string }) {
  return (
    <button type="button" class="small" hidden data-copy={text}>
      Copy<span class="visually-hidden"> {what}</span>
    </button>
  )
}

type Recipients = { recipients: { email: string }[]; id: string }

/** To whom a send goes, in a few words: its first recipient, and how many more there are. */
export function recipientsInShort({ recipients, id }: Recipients): string {
  const [first, ...more] = recipients
  if (!first) return id
  return more.length === 0 ? first.email : `${first.email} and ${more.length} more`
}

/**
 * What a log may say of an error: its kind and its place. A failed query's message carries the values bound to it, which
 * are people's addresses and words, so it is left out.
 */
export function describeFailure(error: unknown): { error: string; at: string[] } {
  if (!(error instanceof Error)) return { error: typeof error, at: [] }
  const reason = error.cause instanceof Error ? error.cause : error
  const message = reason.message.includes('params:') ? 'a query failed' : reason.message
  const at = (error.stack ?? '').split('\n').filter((line) => line.trim().startsWith('at '))
  return { error: `${reason.name}: ${message}`, at: at.slice(0, 8) }
}

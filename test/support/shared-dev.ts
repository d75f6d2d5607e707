import { inject } from 'vitest'
import type { Kind, SharedDev } from './peer-dev.ts'

/** The development server that all tests share which need nothing but one of its kind, and agents of their own. */
export async function sharedDev(kind: Kind): Promise<SharedDev> {
  const response = await fetch(`${inject('peers').dev}/${kind}`)
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()) as SharedDev
}

import { HUMANIZER_STYLES, type HumanizerStyle } from '../../../schema/accounts.ts'

export { HUMANIZER_STYLES } from '../../../schema/accounts.ts'

/** What one place says about rewriting; undefined and null say nothing. A style of no known name says nothing either. */
export type HumanizerWish = {
  enabled?: boolean | null | undefined
  style?: string | null | undefined
}

/**
 * The style to rewrite in, or null for not at all. The first of the wishes that says yes or no decides, and so, on its
 * own account, does the first that names a style.
 */
export function chosenStyle(wishes: HumanizerWish[]): HumanizerStyle | null {
  const isWanted = wishes.map((wish) => wish.enabled).find((enabled) => typeof enabled === 'boolean')
  if (!isWanted) return null
  return wishes.map((wish) => styleNamed(wish.style)).find((style) => style !== null) ?? 'professional'
}

function styleNamed(name: string | null | undefined): HumanizerStyle | null {
  return HUMANIZER_STYLES.find((style) => style === name) ?? null
}

import { HUMANIZER_STYLES, type HumanizerStyle } from '../../../schema/accounts.ts'

export { HUMANIZER_STYLES } from '../../../schema/accounts.ts'

/** One setting about rewriting. Undefined, null and unknown styles count as not set. */
type HumanizerWish = {
  enabled?: boolean | null | undefined
  style?: string | null | undefined
}

/**
 * The style to rewrite in, or null for no rewriting. The first setting that says yes or no decides; independently, the
 * first setting that names a style decides the style.
 */
export function chosenStyle(wishes: HumanizerWish[]): HumanizerStyle | null {
  const isWanted = wishes.map((wish) => wish.enabled).find((enabled) => typeof enabled === 'boolean')
  if (!isWanted) return null
  return wishes.map((wish) => styleNamed(wish.style)).find((style) => style !== null) ?? 'professional'
}

function styleNamed(name: string | null | undefined): HumanizerStyle | null {
  return HUMANIZER_STYLES.find((style) => style === name) ?? null
}

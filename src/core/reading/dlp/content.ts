import type { DlpMode } from '../../../schema/accounts.ts'
import type { Canary } from './canary.ts'
import type { DlpFacts } from './facts.ts'
import { RULE_NAMES, RULES_VERSION } from './rules.ts'
import { CANARY, type Hit, scanLone, scanMarkup, scanText, strike } from './scan.ts'

/** A tenant's DLP settings for outgoing content. */
export type DlpPolicy = { mode: DlpMode; disabledRules: string[]; canaries: Canary[] }

/** An outgoing text. If it is fixed, nothing can be struck out: that would make it another message. */
export type Part = { where: string; text: string; isMarkup?: boolean; isFixed?: boolean }

type Found = { part: Part; hits: Hit[] }

/** Searches a text by a tenant's settings. */
export type Searcher = (part: Part) => Hit[]

export function searcher(tenantId: string, { disabledRules, canaries }: DlpPolicy): Searcher {
  const search = { tenantId, disabledRules, canaries }
  return ({ where, text, isMarkup }) => {
    if (text === '') return []
    if (isMarkup) return scanMarkup(text, search)
    const hits = scanText(text, search)
    return where === 'text' && hits.length === 0 ? scanLone(text, search) : hits
  }
}

/** The text of a part, with every finding struck out. */
export function struckOut(search: Searcher, part: Part): string {
  const hits = search(part)
  return hits.length === 0 ? part.text : strike(part.text, hits)
}

/** The facts if nothing was found, or nothing has been searched yet. */
export function nothingFound({ mode, canaries }: DlpPolicy): DlpFacts {
  return { mode, rulesVersion: RULES_VERSION, found: [], fixed: null, canaries: [], watched: canaries.length }
}

/** The facts that `judge` needs. `stuck` are the rules that find something even in the struck-out text. */
export function factsOf(policy: DlpPolicy, finds: Found[], stuck: ReadonlySet<string> = new Set()): DlpFacts {
  const found = RULE_NAMES.flatMap((rule) => {
    const by = finds.flatMap(({ part, hits }) => hits.filter((hit) => hit.rule === rule).map(() => part))
    const where = [...new Set(by.map((part) => part.where))]
    return by.length === 0
      ? []
      : [{ rule, where, count: by.length, isFixed: by.some(({ isFixed }) => isFixed) }]
  })
  const canaries = finds.flatMap(({ part: { where }, hits }) =>
    hits.flatMap(({ rule, canaryId }) =>
      rule === CANARY && canaryId !== null ? [{ id: canaryId, where }] : [],
    ),
  )
  return {
    ...nothingFound(policy),
    found: found.map(({ isFixed: _, ...each }) => each),
    fixed: found.find(({ rule, isFixed }) => isFixed || stuck.has(rule))?.rule ?? null,
    canaries: canaries.filter(({ id }, at) => canaries.findIndex((other) => other.id === id) === at),
  }
}

/** Whether a message with these findings may be kept and sent unchanged. */
export function isToStay({ mode, found, canaries }: DlpFacts): boolean {
  return canaries.length === 0 && (mode === 'monitor' || found.length === 0)
}

/** Searches a letter's subject, text and HTML. Returns the facts, and the letter with every finding struck out. */
export function screenLetter<Letter extends { subject: string; html: string | null; text: string | null }>(
  tenantId: string,
  policy: DlpPolicy,
  letter: Letter,
): { facts: DlpFacts; clean: Letter } {
  const search = searcher(tenantId, policy)
  const parts = lettersParts(letter)
  const finds = parts.map((part) => ({ part, hits: search(part) })).filter(({ hits }) => hits.length > 0)
  const facts = factsOf(policy, finds)
  if (finds.length === 0) return { facts, clean: letter }
  const struck = new Map(finds.map(({ part, hits }) => [part.where, strike(part.text, hits)]))
  const clean = {
    ...letter,
    subject: struck.get('subject') ?? letter.subject,
    html: struck.get('html') ?? letter.html,
    text: struck.get('text') ?? letter.text,
  }
  return { facts, clean }
}

/** Subject, text and HTML of a letter as parts. */
export function lettersParts(letter: { subject: string; html: string | null; text: string | null }): Part[] {
  return [
    { where: 'subject', text: letter.subject },
    ...(letter.text === null ? [] : [{ where: 'text', text: letter.text }]),
    ...(letter.html === null ? [] : [{ where: 'html', text: letter.html, isMarkup: true }]),
  ]
}

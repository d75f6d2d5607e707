import { misplacedIn } from './contexts.ts'
import { outputsIn } from './outputs.ts'
import { compileTemplate, type Part, SYSTEM_VARIABLES, type Template } from './rendering.ts'

type TemplateVariable = { name: string; type: string; required: boolean }

type LintRequest = Template & { type: 'marketing' | 'transactional'; variables: TemplateVariable[] }

export type Finding = {
  code:
    | 'syntax_error'
    | 'undeclared_variable'
    | 'insecure_url'
    | 'misplaced_variable'
    | 'missing_unsubscribe'
    | 'spam_phrase'
    | 'unused_variable'
    | 'system_variable_redeclared'
  /** Null for a finding about the whole template. */
  part: Part | null
  detail: string
}

const SPAM_PHRASES = [
  'act now',
  'buy now',
  'cash bonus',
  'click here',
  'congratulations you',
  'double your',
  'earn extra cash',
  'earn money',
  'free access',
  'free gift',
  'free money',
  'guaranteed winner',
  'limited time offer',
  'make money fast',
  'no credit check',
  'no obligation',
  'once in a lifetime',
  'order now',
  'risk free',
  'this is not spam',
  'urgent response',
  'winner',
  'work from home',
  'you have been selected',
  'you have won',
  '100% free',
]

const URL_ATTRIBUTE =
  /\b(?:href|src|srcset|action|formaction|background|poster|data)\s*=\s*("[^"]*"|'[^']*'|[^\s>]+)/gi
const STYLE_URL = /url\(\s*["']?([^)"']*)/gi
const INSECURE = /(?:^|[\s,"'])((?:http:\/\/|javascript:|vbscript:|ftp:\/\/)[^\s,"'<>]*)/i
const INSECURE_TEXT = /\b(?:http|ftp):\/\/[^\s"'<>]+/gi

/**
 * Findings about a template before it is published. Errors prevent publishing, warnings do not. Variables are checked
 * against the declared ones only if any are declared. `insecure_url`: a URL that a reader would load or follow.
 */
export function lintTemplate(request: LintRequest): { errors: Finding[]; warnings: Finding[] } {
  const errors: Finding[] = []
  const warnings: Finding[] = []
  const system: readonly string[] = SYSTEM_VARIABLES
  const declared = request.variables.map((variable) => variable.name)
  const used = new Set<string>()
  let isParsed = true

  for (const part of ['subject', 'html', 'text'] as const) {
    const source = request[part]
    if (source === null) continue
    const alone = { subject: '', html: null, text: null, [part]: source }
    const result = compileTemplate(alone)
    if (!result.ok) {
      isParsed = false
      errors.push({ code: 'syntax_error', part, detail: `line ${result.line}: ${result.detail}` })
    }
    for (const name of result.ok ? result.compiled.parts.flatMap((each) => each.variables) : []) {
      used.add(name)
      if (declared.length === 0 || declared.includes(name) || system.includes(name)) continue
      errors.push({ code: 'undeclared_variable', part, detail: name })
    }
    if (part === 'html') errors.push(...misplaced(source))
    for (const url of insecureUrls(part, source)) errors.push({ code: 'insecure_url', part, detail: url })
    for (const phrase of spamPhrases(part, source))
      warnings.push({ code: 'spam_phrase', part, detail: phrase })
  }

  if (request.type === 'marketing' && isParsed && !used.has('unsubscribe_url')) {
    errors.push({
      code: 'missing_unsubscribe',
      part: null,
      detail: 'neither html nor text holds {{unsubscribe_url}}',
    })
  }
  for (const name of new Set(declared)) {
    if (system.includes(name)) warnings.push({ code: 'system_variable_redeclared', part: null, detail: name })
    else if (isParsed && !used.has(name)) warnings.push({ code: 'unused_variable', part: null, detail: name })
  }
  return { errors, warnings }
}

/** Variables in attributes without quotes, in scripts, styles, comments, event handlers and names. */
function misplaced(source: string): Finding[] {
  const { html, outputs } = outputsIn(source)
  const found = misplacedIn(html, outputs, { isSource: true })
  return found.map(({ name, reason }) => ({
    ...{ code: 'misplaced_variable', part: 'html', detail: `${name.slice(0, 100)} ${reason}` },
  }))
}

function insecureUrls(part: Part, source: string) {
  const found =
    part === 'html'
      ? [...source.matchAll(URL_ATTRIBUTE), ...source.matchAll(STYLE_URL)].map(
          (match) => INSECURE.exec(match[1] ?? '')?.[1],
        )
      : [...source.matchAll(INSECURE_TEXT)].map((match) => match[0])
  return new Set(found.filter((url) => url !== undefined))
}

function spamPhrases(part: Part, source: string) {
  const plain = part === 'html' ? withoutTags(source) : source
  const words = plain
    .toLowerCase()
    .replace(/\{[{%][^{}]*[%}]\}/g, ' ')
    .replace(/[^\p{L}\p{N}%]+/gu, ' ')
  return SPAM_PHRASES.filter((phrase) => ` ${words} `.includes(` ${phrase} `))
}

/** Splits instead of matching tags, because a pattern over 200,000 unclosed brackets would take minutes. */
function withoutTags(html: string) {
  const [first = '', ...pieces] = html.split('<')
  const texts = pieces.map((piece) =>
    /^(?:style|script)\b/i.test(piece) ? '' : piece.slice(piece.indexOf('>') + 1),
  )
  return [first, ...texts].join(' ')
}

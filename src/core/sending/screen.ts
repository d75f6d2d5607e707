import type { Env } from '../../env.ts'
import type { Recipient, StoredFile } from '../../schema/letters.ts'
import type { SendInput } from '../../schema/sending.ts'
import type { Rendered } from '../letters/rendered.ts'
import { compileTemplate, renderTemplate } from '../letters/rendering.ts'
import { bodyIn, sentBodyKey } from '../mail/body.ts'
import {
  factsOf,
  isToStay,
  lettersParts,
  type Part,
  type Searcher,
  searcher,
  struckOut,
} from '../reading/dlp/content.ts'
import type { DlpFacts } from '../reading/dlp/facts.ts'
import { type FileText, textOfFile } from '../reading/dlp/file-text.ts'
import type { Subject } from './subject.ts'

/** The content of a send: the request and, once it is rendered, the bytes. */
export type SendContent = {
  input: SendInput
  recipients: Recipient[]
  texts: FileText[]
  rendered: Rendered | null
}

/** What is stored instead of the request, because DLP found something in it. */
export type Cleaned = { input: SendInput; recipients: Recipient[]; texts: FileText[] }

type Screened = { dlp: DlpFacts; cleaned: Cleaned | null }

/**
 * Searches everything that a message would carry to its recipients, and strikes out what DLP finds. Pure: the findings become
 * facts, and `judge` decides on them.
 */
export function screen(
  tenantId: string,
  { dlp: policy, template, system }: Subject,
  content: SendContent,
): Screened {
  const search = searcher(tenantId, policy)
  const look = (parts: Part[]) =>
    parts.map((part) => ({ part, hits: search(part) })).filter(({ hits }) => hits.length > 0)
  const finds = look([...bodyParts(content, template, system), ...partsBesideBody(content)])
  const first = factsOf(policy, finds)
  if (isToStay(first)) return { dlp: first, cleaned: null }

  const cleaned = cleanedOf(search, content)
  if (template === null || content.rendered !== null) return { dlp: first, cleaned }
  // A finding may be made of several values, or of a value and the template. It cannot be struck out of one of them, so no
  // value is stored.
  const own = new Set(rulesIn(look(lettersParts(template))))
  const left = rulesIn(look(bodyParts({ ...content, input: cleaned.input }, template, system)))
  const stuck = new Set(left.filter((rule) => !own.has(rule)))
  if (stuck.size === 0) return { dlp: first, cleaned }
  const input = { ...cleaned.input, payload: {} }
  return { dlp: factsOf(policy, finds, stuck), cleaned: { ...cleaned, input } }
}

function rulesIn(finds: { hits: { rule: string }[] }[]): string[] {
  return finds.flatMap(({ hits }) => hits.map(({ rule }) => rule))
}

function bodyParts(
  { input, rendered }: SendContent,
  template: Subject['template'],
  system: Subject['system'],
): Part[] {
  if (rendered) return lettersParts(rendered).map((part) => ({ ...part, isFixed: true }))
  if (input.inline) return lettersParts(input.inline)
  if (template === null) return []
  const compiled = compileTemplate(template)
  const made = compiled.ok ? renderTemplate(compiled.compiled, input.payload, system) : null
  if (made?.ok) return lettersParts(made)
  return [...lettersParts(template), { where: 'payload', text: JSON.stringify(input.payload) }]
}

function partsBesideBody({ input, recipients, texts, rendered }: SendContent): Part[] {
  const isFixed = rendered !== null
  return [
    ...Object.values(input.headers).map((text) => ({ where: 'header', text, isFixed })),
    ...(input.replyTo ? [{ where: 'header', text: input.replyTo, isFixed: true }] : []),
    ...recipients.flatMap(({ email, name }) => [
      { where: 'recipient', text: email, isFixed: true },
      ...(name === null ? [] : [{ where: 'recipient', text: name, isFixed }]),
    ]),
    ...(input.files ?? []).map(({ filename }) => ({ where: 'filename', text: filename, isFixed })),
    ...texts.flatMap(({ id, text }) =>
      text === null ? [] : [{ ...filePart(input.files, id, text), isFixed }],
    ),
  ]
}

function filePart(files: StoredFile[] = [], id: string, text: string): Part {
  const file = files.find((each) => each.id === id)
  const isMarkup =
    /\/(?:[\w.-]+\+)?(?:html|xml)/.test(file?.contentType ?? '') ||
    /\.(?:x?html?|xml|svg)$/i.test(file?.filename ?? '')
  return { where: 'attachment', text, isMarkup }
}

function cleanedOf(search: Searcher, { input, recipients, texts }: SendContent): Cleaned {
  const clean = (text: string, isMarkup = false) => struckOut(search, { where: '', text, isMarkup })
  const whole = <Text extends string | null>(text: Text, isMarkup = false) =>
    (text === null ? null : clean(text, isMarkup)) as Text
  const struckTexts = texts.flatMap(({ id, text }) => {
    if (text === null) return []
    const struck = struckOut(search, filePart(input.files, id, text))
    return struck === text ? [] : [{ id, text: struck }]
  })
  const sizes = new Map(struckTexts.map(({ id, text }) => [id, encoded(text).byteLength]))
  return {
    input: {
      ...input,
      payload: cleanValue(clean, input.payload) as SendInput['payload'],
      inline: input.inline && {
        subject: clean(input.inline.subject),
        html: whole(input.inline.html, true),
        text: whole(input.inline.text),
      },
      sendReason: whole(input.sendReason),
      headers: Object.fromEntries(Object.entries(input.headers).map(([name, text]) => [name, clean(text)])),
      ...(input.files
        ? {
            files: input.files.map((file) => ({
              ...file,
              filename: clean(file.filename),
              size: sizes.get(file.id) ?? file.size,
            })),
          }
        : {}),
    },
    recipients: recipients.map((recipient) => ({ ...recipient, name: whole(recipient.name) })),
    texts: struckTexts,
  }
}

/** Cleans a value of a payload: every text in it, and every number in which DLP finds something. */
function cleanValue(clean: (text: string) => string, value: unknown): unknown {
  if (typeof value === 'string') return clean(value)
  if (typeof value === 'number') {
    const text = String(value)
    const struck = clean(text)
    return struck === text ? value : struck
  }
  if (Array.isArray(value)) return value.map((each) => cleanValue(clean, each))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [clean(name), cleanValue(clean, each)]),
  )
}

/** Overwrites large inputs and files in R2 with their cleaned versions. */
export async function keepCleaned(
  env: Env,
  sendId: string,
  isLarge: boolean,
  { input, texts }: Cleaned,
): Promise<void> {
  const { inline, isComposed } = input
  await Promise.all([
    isLarge ? env.MAIL.put(`inputs/${sendId}.json`, JSON.stringify(input)) : null,
    isLarge && isComposed && inline
      ? env.MAIL.put(sentBodyKey(sendId), JSON.stringify(bodyIn(inline)))
      : null,
    ...texts.map(async ({ id, text }) => {
      const file = input.files?.find((each) => each.id === id)
      if (file && text !== null) await env.MAIL.put(file.key, encoded(text))
    }),
  ])
}

/** Reads the text of a message's files from R2, for a worker that judges a send that another request wrote. */
export async function readTexts(env: Env, files: StoredFile[] = []): Promise<FileText[]> {
  return await Promise.all(
    files.map(async ({ id, key, contentType }) => {
      const object = await env.MAIL.get(key)
      return { id, text: object && textOfFile(new Uint8Array(await object.arrayBuffer()), contentType) }
    }),
  )
}

function encoded(text: string | null): Uint8Array {
  return new TextEncoder().encode(text ?? '')
}

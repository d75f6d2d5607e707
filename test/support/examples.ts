import type { Ids } from './matrix.ts'

type Schema = { $ref?: string }
type Content = Record<string, { schema?: Schema; example?: unknown } | undefined>
type Answer = { $ref?: string; content?: Content }
export type Operation = {
  parameters?: { name: string; in: string; required?: boolean; example?: unknown }[]
  requestBody?: { content: Content }
  responses: Record<string, Answer | undefined>
  security?: Record<string, unknown>[]
}
export type Document = {
  paths: Record<string, Record<string, Operation>>
  components: { responses: Record<string, Answer | undefined>; schemas: Record<string, Schema | undefined> }
}

/** The example ids of the document, by the name of the thing in a world of the matrix. */
const STANDS_FOR: Record<string, keyof Ids> = {
  tenant_abc123: 'tenantId',
  mbx_abc123: 'mailboxId',
  agent_a1b2c3d4e5f6: 'agentId',
  key_abc123: 'keyId',
  tpl_abc123: 'templateId',
  'onboarding-welcome': 'templateSlug',
  'campaign-march': 'templateSlug',
  'tpl_abc123:1': 'versionId',
  sup_abc123: 'suppressionId',
  req_abc123: 'heldId',
  batch_abc123: 'batchId',
  apq_xyz789: 'approvalId',
  canary_abc123: 'canaryId',
  dlq_abc123: 'deadLetterId',
  'd290f1ee-6c54-4b01-90e6-d701748f0851': 'leaseId',
  'b4c8e7a2-3f19-4d5e-a621-9c1d8f3e7b0a': 'consensusId',
  msg_abc123: 'messageId',
  thread_xyz789: 'threadId',
  file_abc123: 'fileId',
  wh_abc123: 'webhookId',
  whd_abc123: 'deliveryId',
  exp_abc123: 'exportId',
  smtp_abc123: 'smtpCredentialId',
  dom_abc123: 'domainId',
}

/** The example request of the document, with the ids of a world. `others` are names to replace in addition to ids. */
export function requestOf(
  { paths }: Document,
  route: string,
  ids: Ids,
  others: Record<string, string>,
): { path: string; body: unknown; headers: Record<string, string> } {
  const [method = '', pattern = ''] = route.split(' ')
  const operation = paths[pattern]?.[method.toLowerCase()]
  const { parameters = [], requestBody } = operation ?? {}
  const given = parameters.filter(({ example, required }) => required || example !== undefined)
  const [type, content] = Object.entries(requestBody?.content ?? {})[0] ?? []

  const real = (value: unknown): unknown => {
    if (typeof value === 'string') {
      const name = STANDS_FOR[value]
      if (name !== undefined && !(value in others)) return ids[name]
      return Object.entries(others).reduce((text, [from, to]) => text.replaceAll(from, to), value)
    }
    if (Array.isArray(value)) return value.map(real)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, real(part)]))
  }
  const named = (place: string) =>
    given
      .filter((each) => each.in === place)
      .map(({ name, example }) => [name, String(real(example))] as const)
  const path = named('path').reduce(
    (text, [name, value]) => text.replace(`{${name}}`, encodeURIComponent(value)),
    pattern,
  )
  const query = new URLSearchParams(named('query').map(([name, value]) => [name, value]))
  return {
    path: query.size > 0 ? `${path}?${query}` : path,
    body: real(content?.example),
    headers: {
      ...Object.fromEntries(named('header')),
      ...(type === undefined ? {} : { 'content-type': type === '*/*' ? 'application/json' : type }),
    },
  }
}

/** The schema of the answer with this status. Undefined if the document has no such status. */
export function schemaOf(
  { paths, components }: Document,
  route: string,
  status: number,
): Schema | null | undefined {
  const [method = '', pattern = ''] = route.split(' ')
  const told = paths[pattern]?.[method.toLowerCase()]?.responses[status]
  const answer = told?.$ref ? components.responses[last(told.$ref)] : told
  const schema = answer && (answer.content?.['application/json']?.schema ?? null)
  return schema?.$ref ? components.schemas[last(schema.$ref)] : schema
}

const last = (ref: string) => ref.split('/').at(-1) ?? ''

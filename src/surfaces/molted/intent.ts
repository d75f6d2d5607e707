import { Fault } from '../../core/ground/fault.ts'
import { type Classified, classifyIntents } from '../../core/reading/intent/classify.ts'
import { ACTIONS, INTENTS } from '../../core/reading/intent/intents.ts'
import { body, createRoute, json, publishedBody, router, z } from '../http.ts'
import { Id } from './words.ts'

const MESSAGES_AT_MOST = 500

const InboundMessage = z
  .object({
    subject: z.string().max(10_000).openapi({ example: 'Re: Partnership proposal' }),
    bodyText: z.string().max(1_000_000).openapi({ example: "Sure, let's set up a call next week" }),
  })
  .openapi('InboundMessage')

const ClassifyBody = z.object({ tenantId: Id.optional(), ...InboundMessage.shape }).openapi('ClassifyRequest')

const ClassifyBatchBody = z
  .object({
    tenantId: Id.optional(),
    messages: z
      .array(z.unknown())
      .min(1)
      .superRefine((messages) => {
        if (messages.length <= MESSAGES_AT_MOST) return
        throw new Fault('batch_too_large', `A batch has at most ${MESSAGES_AT_MOST} messages.`, {
          field: 'messages',
          max: MESSAGES_AT_MOST,
          received: messages.length,
        })
      })
      .pipe(z.array(InboundMessage))
      .openapi({ type: 'array', minItems: 1, maxItems: MESSAGES_AT_MOST }),
  })
  .openapi('ClassifyBatchRequest')

const IntentView = z
  .object({
    intent: z.enum(INTENTS),
    confidence: z.number().min(0).max(1).openapi({ example: 0.94 }),
    suggestedAction: z.enum(ACTIONS),
    answeredBy: z.enum(['embedded', 'model']),
    fallbackReason: z
      .enum(['model_timeout', 'model_busy', 'model_garbage', 'model_failed'])
      .optional()
      .openapi({ description: 'Why the embedded classifier was used although a model is configured.' }),
  })
  .openapi('Intent')

export const intent = router()

intent.openapi(
  createRoute({
    method: 'post',
    path: '/agent/classify-intent',
    tags: ['inbound'],
    summary: 'Classify what an inbound message wants',
    description: 'Only the text that the sender wrote counts: quoted mail and signatures are ignored.',
    security: [{ bearer: [] }],
    request: body(ClassifyBody),
    responses: { 200: json(IntentView) },
  }),
  async (c) => {
    const { subject, bodyText } = c.req.valid('json')
    const results = await classifyIntents(c.env, [{ subject, bodyText }])
    return c.json(results.map(view)[0] as z.infer<typeof IntentView>, 200)
  },
)

intent.openapi(
  createRoute({
    method: 'post',
    path: '/agent/batch/classify-intent',
    tags: ['inbound'],
    summary: 'Classify what up to 500 inbound messages want',
    description:
      'Results are in the order of the messages. With more than 500 messages none is classified and the answer is 400.',
    security: [{ bearer: [] }],
    request: publishedBody(ClassifyBatchBody, {
      tenantId: 'tenant_abc123',
      messages: [
        { subject: 'Re: Partnership proposal', bodyText: "Sure, let's set up a call next week" },
        { subject: 'Re: Your offer', bodyText: 'We already have a vendor for this, not interested' },
      ],
    }),
    responses: { 200: json(z.object({ results: z.array(IntentView) })) },
  }),
  async (c) => {
    const results = await classifyIntents(c.env, c.req.valid('json').messages)
    return c.json({ results: results.map(view) }, 200)
  },
)

function view({ intent, confidence, suggestedAction, answeredBy, fallbackReason }: Classified) {
  return {
    intent,
    confidence,
    suggestedAction,
    answeredBy,
    ...(fallbackReason === undefined ? {} : { fallbackReason }),
  }
}

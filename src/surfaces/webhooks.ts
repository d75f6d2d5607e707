import { type Attempt, DELIVERY_STATES, type Delivery } from '../core/publishing/webhooks/deliveries.ts'
import type { WebhookChange } from '../core/publishing/webhooks/webhooks.ts'
import { z } from './http.ts'

// What the webhooks of both APIs share. Molted writes these names in camelCase, MailMolt in snake_case.

export const webhookUrl = z
  .string()
  .min(1)
  .openapi({ format: 'uri', example: 'https://hooks.example.com/moltpost' })
export const webhookDescription = z.string().max(500).nullable()

/** Which delivery it is, and its state. */
export const deliveryFields = {
  id: z.string(),
  event: z.string(),
  eventId: z.string(),
  state: z.enum(DELIVERY_STATES),
}

/** How far the delivery has come. */
export const progressFields = {
  statusCode: z.number().nullable(),
  error: z.string().nullable(),
  attempts: z.number(),
  attemptedAt: z.string().nullable(),
  nextAttemptAt: z.string().nullable().openapi({
    description: 'Null if the delivery has ended, or waits until other attempts of the webhook have ended.',
  }),
  createdAt: z.string(),
}

export const attemptFields = {
  attempt: z.number(),
  attemptedAt: z.string(),
  durationMs: z.number(),
  statusCode: z.number().nullable(),
  error: z.string().nullable(),
  request: z.string(),
  response: z.string().nullable(),
}

type ValuesOf<Fields extends z.ZodRawShape> = z.infer<z.ZodObject<Fields>>

export function deliveryOf(row: Delivery): ValuesOf<typeof deliveryFields> {
  return { id: row.id, event: row.eventType, eventId: row.eventId, state: row.state }
}

export function progressOf(row: Delivery): ValuesOf<typeof progressFields> {
  return {
    statusCode: row.statusCode,
    error: row.error,
    attempts: row.attempts,
    attemptedAt: row.attempts > 0 ? row.updatedAt.toISOString() : null,
    nextAttemptAt: row.nextAt?.toISOString() ?? null,
    createdAt: row.createdAt.toISOString(),
  }
}

export function attemptOf(row: Attempt): ValuesOf<typeof attemptFields> {
  const { attempt, at, durationMs, statusCode, error, request, response } = row
  return { attempt, attemptedAt: at.toISOString(), durationMs, statusCode, error, request, response }
}

/** The change of a webhook by the fields that a request gives. */
export function changeOf(
  given: {
    [Name in keyof WebhookChange]: WebhookChange[Name] | undefined
  },
): WebhookChange {
  const { url, eventTypes, description, isActive } = given
  return {
    ...(url === undefined ? {} : { url }),
    ...(eventTypes === undefined ? {} : { eventTypes }),
    ...(description === undefined ? {} : { description }),
    ...(isActive === undefined ? {} : { isActive }),
  }
}

type Snake<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `_${Lowercase<First>}`}${Snake<Rest>}`
  : ''
type SnakeCased<Values> = { [Name in keyof Values & string as Snake<Name>]: Values[Name] }

/** The same fields or values, named in snake_case. */
export function snakeCase<Values extends Record<string, unknown>>(values: Values): SnakeCased<Values> {
  const renamed = Object.entries(values).map(([name, value]) => [
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ])
  return Object.fromEntries(renamed) as SnakeCased<Values>
}

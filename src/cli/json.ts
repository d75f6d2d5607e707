import { InvalidArgumentError } from '@commander-js/extra-typings'

export type Json = null | boolean | number | string | Json[] | JsonObject
export type JsonObject = { [name: string]: Json }

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The text at this name of an object, or null. */
export function textAt(value: unknown, name: string): string | null {
  const found = isObject(value) ? value[name] : null
  return typeof found === 'string' ? found : null
}

/** The fields that are not undefined. */
export function given(fields: Record<string, Json | undefined>): JsonObject {
  const kept: JsonObject = {}
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) kept[name] = value
  return kept
}

/** Parses an option whose value is a JSON object. */
export function jsonObject(text: string): JsonObject {
  const value = jsonValue(text)
  if (!isObject(value)) throw new InvalidArgumentError('It is not a JSON object.')
  return value
}

/** Parses an option whose value is a JSON array. */
export function jsonArray(text: string): Json[] {
  const value = jsonValue(text)
  if (!Array.isArray(value)) throw new InvalidArgumentError('It is not a JSON array.')
  return value
}

function jsonValue(text: string): Json {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new InvalidArgumentError(`It is not JSON: ${(error as Error).message}`)
  }
}

/** Parses an option whose value is a number. */
export function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It is not a number.')
  return value
}

/** Parses an option whose value is a time, into ISO 8601 in UTC. */
export function time(text: string): string {
  const value = new Date(text)
  if (Number.isNaN(value.getTime())) {
    throw new InvalidArgumentError('It is not a time such as 2026-04-17T14:32:00Z.')
  }
  return value.toISOString()
}

/** Parses an option whose value is a list separated by commas. */
export function words(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}

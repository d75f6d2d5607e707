import type { Env } from '../../env.ts'
import {
  CARRIER_NAMES,
  type Capability,
  type CarrierName,
  type CarrierPort,
  type OutgoingMessage,
  type OwnDelivery,
} from './carrier.ts'

export type Weights = ReadonlyMap<CarrierName, number>

const CHOOSABLE = CARRIER_NAMES.filter((name) => name !== 'internal')

/** Reads `capture:1, smtp:3`. `internal` has no weight: it serves our own recipients whatever the weights are. */
export function parseWeights(text: string): Weights {
  const weights = new Map<CarrierName, number>()
  for (const entry of text.split(',').map((part) => part.trim())) {
    const [given = '', weight = '', ...more] = entry.split(':').map((part) => part.trim())
    const name = CHOOSABLE.find((each) => each === given)
    if (name === undefined)
      throw new Error(`CARRIERS: "${entry}" names no carrier; known are ${CHOOSABLE.join(', ')}`)
    if (more.length > 0 || !/^[1-9]\d{0,5}$/.test(weight))
      throw new Error(
        `CARRIERS: "${entry}" must read ${name}:weight. The weight is a whole number from 1 to 999999`,
      )
    if (weights.has(name)) throw new Error(`CARRIERS: ${name} is named twice`)
    weights.set(name, Number(weight))
  }
  return weights
}

/** The carriers that the setting CARRIERS names. Throws if one of them is not set up, or only in part. */
export function chosenCarriers(
  env: Pick<Env, 'CARRIERS'>,
  port: CarrierPort,
  own: OwnDelivery,
): CarrierName[] {
  const known = port.open(own)
  const names = [...parseWeights(env.CARRIERS).keys()]
  const missing = names.find((name) => !known.has(name))
  if (missing !== undefined) throw new Error(`CARRIERS chooses ${missing}, which is not set up here`)
  return names
}

type Choice = {
  weights: Weights
  healthy: ReadonlySet<CarrierName>
  /** The carriers that have definitely refused this message in this round. */
  excluded: ReadonlySet<CarrierName>
  /** The carrier that may already have the message: no other may be asked. */
  pinned: CarrierName | null
  random: () => number
}

/**
 * The carrier to ask next. Null means wait. A pinned carrier is always chosen. Otherwise the weights decide among the
 * healthy ones. If only one carrier is configured, its health does not matter.
 */
export function choose({ weights, healthy, excluded, pinned, random }: Choice): CarrierName | null {
  if (pinned !== null) return pinned
  const eligible = [...weights].filter(
    ([name]) => !excluded.has(name) && (healthy.has(name) || weights.size === 1),
  )
  let point = random() * eligible.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [name, weight] of eligible) {
    point -= weight
    if (point < 0) return name
  }
  return eligible.at(-1)?.[0] ?? null
}

/**
 * Which of these recipients one call to a carrier can serve. A return path is made for one recipient, so where a carrier
 * reports by mail the first goes alone. Blind copies must not see each other: if a carrier needs a To recipient and only
 * blind copies are left, the first goes alone as well. The others follow in calls of their own.
 */
export function servable(
  { blindCopiesAlone, reportsByMail }: Pick<Capability, 'blindCopiesAlone' | 'reportsByMail'>,
  message: Pick<OutgoingMessage, 'to' | 'cc'>,
  recipients: string[],
): string[] {
  if (reportsByMail) return recipients.slice(0, 1)
  const visible = new Set([...message.to, ...message.cc].map(({ email }) => email.toLowerCase()))
  const hasVisible = recipients.some((email) => visible.has(email.toLowerCase()))
  return hasVisible || blindCopiesAlone ? recipients : recipients.slice(0, 1)
}

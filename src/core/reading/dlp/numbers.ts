import { countrySpecs, isValidIBAN } from 'ibantools'
import { matches } from './matches.ts'
import type { Range } from './view.ts'

/** The first digits of each card brand, and the lengths of its numbers. */
const BRANDS: [begins: RegExp, lengths: number[]][] = [
  [/^4/, [13, 16, 19]],
  [/^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, [16]],
  [/^3[47]/, [15]],
  [/^3(?:0[0-5]|095|[689])/, [14, 16, 19]],
  [/^(?:6011|64[4-9]|65)/, [16, 19]],
  [/^35(?:2[89]|[3-8])/, [16, 19]],
  [/^62/, [16, 17, 18, 19]],
  [/^220[0-4]/, [16]],
  [/^1/, [15]],
]
const DIGITS_AT_LEAST = 13
const DIGITS_AT_MOST = 19

/** How the digits of a card may be grouped: not at all, as on the card, in two groups, or one by one. */
const GROUPINGS = /^(?:\d+|4,4,4,4(?:,[1-3])?|4,4,4,1|4,6,[45]|4,4,5|(?:1,)+1|5,5,[56]|\d+,\d+)$/

const RUN = /\d(?:(?:[ .\-\n]|\r\n)?\d){12,}/g

/** Payment card numbers, by brand, length and Luhn check digit. */
export function cardNumbers(text: string): Range[] {
  const found: Range[] = []
  for (const { index, 0: run } of matches(text, RUN)) {
    const groups = [...run.matchAll(/\d+/g)].map(
      (match): Range => [match.index, match.index + match[0].length],
    )
    const digits = run.replace(/\D/g, '')
    const joints = run.replace(/\d+/g, ' ').includes('.') ? run : null
    let at = 0
    for (let first = 0; first < groups.length; first++) {
      const [start, end] = groups[first] ?? [0, 0]
      const last = isGlued(text, index + start - 1, index + start - 2)
        ? -1
        : cardFrom(groups, first, digits, at)
      const [, after] = groups[last] ?? [0, 0]
      const isMixed =
        joints !== null && / /.test(joints.slice(start, after)) && joints.slice(start, after).includes('.')
      if (last >= 0 && !isMixed && !isGlued(text, index + after, index + after + 1)) {
        found.push([index + start, index + after])
      }
      at += end - start
    }
  }
  return found.filter(([start], position) => start >= (found[position - 1]?.[1] ?? 0))
}

/** The index of the last group of the longest card number that starts at group `first`, or -1. */
function cardFrom(groups: Range[], first: number, digits: string, at: number): number {
  let length = 0
  let best = -1
  for (let last = first; last < groups.length; last++) {
    const [start, end] = groups[last] ?? [0, 0]
    length += end - start
    if (length > DIGITS_AT_MOST) break
    if (length < DIGITS_AT_LEAST || !hasLuhnDigit(digits, at, length)) continue
    const sizes = groups.slice(first, last + 1).map(([from, to]) => to - from)
    if (GROUPINGS.test(sizes.join()) && isCard(digits.slice(at, at + length))) best = last
  }
  return best
}

/** Whether a number continues after its end: with a letter or digit, or with `.`, `-` or `,` and a digit. */
function isGlued(text: string, next: number, afterNext: number): boolean {
  const character = text[next] ?? ''
  return /[A-Za-z0-9]/.test(character) || (/[.\-,]/.test(character) && /\d/.test(text[afterNext] ?? ''))
}

function isCard(digits: string): boolean {
  if (/^(\d)\1+$/.test(digits)) return false
  const brand = BRANDS.find(([begins]) => begins.test(digits))
  return brand?.[1].includes(digits.length) ?? false
}

/** The Luhn check (ISO/IEC 7812-1, annex B). */
function hasLuhnDigit(digits: string, from: number, length: number): boolean {
  let sum = 0
  for (let at = 0; at < length; at++) {
    const digit = digits.charCodeAt(from + length - 1 - at) - 48
    const doubled = at % 2 === 1 ? digit * 2 : digit
    sum += doubled > 9 ? doubled - 9 : doubled
  }
  return sum % 10 === 0
}

/** Numbers on sample cards and in manuals that were never issued. */
const SAMPLE_SSN = new Set(['078051120', '219099999', '123456789', '987654321', '457555462'])
const SSN = /(?<![\w.\-/])(\d{3})([- .])(\d{2})\2(\d{4})(?![\w\-/]|[.,]\d)/g
const BARE_NINE = /(?<![\w.\-/])\d{9}(?![\w\-/]|[.,]\d)/g
const SSN_NEAR = /\b(?:ssn|ssns|social(?: |-)?security|social)\b/i

/**
 * US social security numbers that can have been issued, by area, group and serial. Nine digits without separators count
 * only near a word such as "SSN".
 */
export function socialSecurityNumbers(text: string): Range[] {
  const found: Range[] = []
  for (const { index, 0: number } of matches(text, SSN)) {
    if (isSsn(number.replace(/\D/g, ''))) found.push([index, index + number.length])
  }
  for (const { index, 0: number } of matches(text, BARE_NINE)) {
    if (isSsn(number) && isNear(text, index, index + 9, SSN_NEAR)) found.push([index, index + 9])
  }
  return found
}

/** A text of nothing but nine digits, as in an answer to a question, counts without a word near it. */
export function loneSocialSecurityNumber(text: string): Range[] {
  const [number] = /^\d{9}$/.exec(text.trim()) ?? []
  const start = text.indexOf(number ?? '')
  return number !== undefined && isSsn(number) ? [[start, start + 9]] : []
}

function isSsn(digits: string): boolean {
  return /^(?!000|666|9)\d{3}(?!00)\d{2}(?!0000)\d{4}$/.test(digits) && !SAMPLE_SSN.has(digits)
}

/** How far a word may be from the number that it names, in characters. */
const NEAR_BEFORE = 60
const NEAR_AFTER = 30

export function isNear(text: string, start: number, end: number, words: RegExp): boolean {
  return (
    words.test(text.slice(Math.max(0, start - NEAR_BEFORE), start)) ||
    words.test(text.slice(end, end + NEAR_AFTER))
  )
}

const IBAN_BEGINS = /(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9])/g
const COUNTRIES: Readonly<Record<string, { chars?: number | null }>> = countrySpecs

/** IBANs (ISO 13616), by country, length, structure and the check modulo 97. */
export function ibans(text: string): Range[] {
  const found: Range[] = []
  for (const { index, 0: begin } of matches(text, IBAN_BEGINS)) {
    const length = COUNTRIES[begin.slice(0, 2).toUpperCase()]?.chars ?? 0
    if (length === 0 || index < (found.at(-1)?.[1] ?? 0)) continue
    let number = ''
    let at = index
    for (; at < text.length && number.length < length; at++) {
      const character = text[at] ?? ''
      if (/[A-Za-z0-9]/.test(character)) number += character
      else if (!/[ \-\n]/.test(character) || !/[A-Za-z0-9]/.test(text[at - 1] ?? '')) break
    }
    if (number.length < length || /[A-Za-z0-9]/.test(text[at] ?? '')) continue
    if (isValidIBAN(number.toUpperCase())) found.push([index, at])
  }
  return found
}

const ROUTING = /(?<![\w.\-/])(?:\d{4}-\d{4}-\d|\d{9})(?![\w\-/]|[.,]\d)/g
const ROUTING_NEAR = /\b(?:aba|rtn|routing|transit|wire|ach)\b/i

/** Routing numbers of US banks, by district and checksum. Without hyphens they count only near a word that names them. */
export function routingNumbers(text: string): Range[] {
  const found: Range[] = []
  for (const { index, 0: number } of matches(text, ROUTING)) {
    const end = index + number.length
    const isNamed = number.includes('-') || isNear(text, index, end, ROUTING_NEAR)
    if (isNamed && isRoutingNumber(number.replaceAll('-', ''))) found.push([index, end])
  }
  return found
}

function isRoutingNumber(digits: string): boolean {
  if (!/^(?:0[1-9]|1[0-2]|2[1-9]|3[0-2]|6[1-9]|7[0-2]|80)/.test(digits) || /^(\d)\1+$/.test(digits))
    return false
  const weights = [3, 7, 1, 3, 7, 1, 3, 7, 1]
  return weights.reduce((sum, weight, at) => sum + weight * Number(digits[at]), 0) % 10 === 0
}

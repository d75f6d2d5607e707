import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CAPABILITIES } from '../../src/carriers/capability.ts'
import { addressed, namedIn } from '../../src/carriers/message.ts'
import type { CarrierName } from '../../src/core/delivery/carrier.ts'
import { servable } from '../../src/core/delivery/choice.ts'
import { party } from '../support/peer-carrier.ts'
import { letter } from '../support/peer-letter.ts'

const carrier = fc.constantFrom(...(Object.keys(CAPABILITIES) as CarrierName[]))
/** Up to twelve recipients, each in To, Cc or Bcc and each served already or not. */
const crowd = fc
  .array(fc.record({ field: fc.constantFrom('to', 'cc', 'bcc'), isOpen: fc.boolean() }), { maxLength: 12 })
  .map((people) => {
    const all = people.map((person, index) => ({ ...person, email: `P${index}@example.com` }))
    const field = (name: string) =>
      all.filter((each) => each.field === name).map(({ email }) => party(email.toLowerCase()))
    const recipients = all.filter(({ isOpen }) => isOpen).map(({ email }) => email)
    return letter({ to: field('to'), cc: field('cc'), bcc: field('bcc'), recipients })
  })

test('over several calls each recipient is served once, and no blind copy is visible', () => {
  fc.assert(
    fc.property(carrier, crowd, (name, message) => {
      const isHidden = (email: string) => message.bcc.some((copy) => copy.email === email)
      const served: string[] = []
      for (let open = message.recipients; open.length > 0; ) {
        const recipients = servable(CAPABILITIES[name], message, open)
        expect(recipients.length).toBeGreaterThan(0)
        const { to, cc, bcc } = addressed({ ...message, recipients })
        const called = [...to, ...cc, ...bcc].map(({ email }) => email)
        expect([...called].sort()).toEqual(recipients.map((email) => email.toLowerCase()).sort())
        if (!CAPABILITIES[name].blindCopiesAlone) {
          expect(to.length).toBeGreaterThan(0)
          const seen = [...to, ...cc].map(({ email }) => email)
          expect(called.length > 1 && seen.some(isHidden)).toBe(false)
        }
        served.push(...recipients)
        open = open.filter((email) => !recipients.includes(email))
      }
      expect([...served].sort()).toEqual([...message.recipients].sort())
    }),
    { numRuns: 2_000 },
  )
})

test('blind copies get a call of their own only if the carrier needs it', () => {
  const message = {
    to: [party('a@x.com')],
    cc: [party('c@x.com')],
    bcc: [party('h@x.com'), party('i@x.com')],
  }
  expect(servable(CAPABILITIES.postmark, message, ['h@x.com', 'A@x.com', 'i@x.com'])).toHaveLength(3)
  expect(servable(CAPABILITIES.postmark, message, ['h@x.com', 'i@x.com', 'C@x.com'])).toHaveLength(3)
  expect(servable(CAPABILITIES.postmark, message, ['h@x.com', 'i@x.com'])).toEqual(['h@x.com'])
  expect(servable(CAPABILITIES.ses, message, ['h@x.com', 'i@x.com'])).toHaveLength(2)
  const alone = Object.entries(CAPABILITIES).filter(([, { blindCopiesAlone }]) => blindCopiesAlone)
  expect(alone.map(([name]) => name)).toEqual(['capture', 'internal', 'smtp', 'ses', 'mailgun'])
})

test('a carrier’s words name an address only if they contain all of it', () => {
  const people = ['bob@x.com', "o'brien@x.com", 'Ann@X.com']
  expect(namedIn('inactive: jbob@x.com, bob@x.com.au and bob@x.co', people)).toEqual([])
  expect(namedIn("<ann@x.com>; O'Brien@x.com.", people)).toEqual(["o'brien@x.com", 'Ann@X.com'])
  expect(namedIn('Found: bob@x.com. Inactive', people)).toEqual(['bob@x.com'])
  expect(namedIn('', people)).toEqual([])
})

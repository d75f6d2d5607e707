import * as a1 from './a1-laxer.ts'
import * as a3 from './a3-apart.ts'
import * as a4 from './a4-sanctions.ts'
import * as a5 from './a5-ends.ts'
import * as a6 from './a6-identity.ts'
import * as a7 from './a7-reputation.ts'
import * as a8 from './a8-grants.ts'
import * as a9 from './a9-approval.ts'
import * as a10 from './a10-one-recipient.ts'
import * as a11 from './a11-unproved.ts'
import * as a12 from './a12-addresses.ts'
import * as a13 from './a13-streams.ts'
import * as a14 from './a14-impersonation.ts'
import * as a15 from './a15-fields.ts'
import type { Attack, Guard } from './attack.ts'

const LINES: { attacks: Attack[]; guards: Guard[] }[] = [
  a1,
  a3,
  a4,
  a5,
  a6,
  a7,
  a8,
  a9,
  a10,
  a11,
  a12,
  a13,
  a14,
  a15,
]

/** All attacks, line by line. */
export const ATTACKS = LINES.flatMap(({ attacks }) => attacks)
export const GUARDS = LINES.flatMap(({ guards }) => guards)

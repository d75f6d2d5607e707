import { type Claim, type ClaimOwner, claimAgent, unprovedClaim } from '../accounts/claims/claim.ts'
import { verificationLetter } from '../accounts/claims/verification.ts'
import { addOwner, type Owner, type OwnerRole } from '../accounts/people.ts'
import { addSecondAddress } from '../accounts/second-addresses.ts'
import { countSignInRequest, signInLetter } from '../accounts/sessions.ts'
import type { Ctx } from '../ground/ctx.ts'
import { Fault } from '../ground/fault.ts'
import { throttle, throttleNetwork } from '../limits/throttle.ts'
import { sendSystemMail } from './system-mail.ts'

type At = Pick<Ctx, 'env' | 'now'>

/** Whether the letter with the link was sent. If not: why, and when to try again. */
export type Mailed = { isSent: true } | { isSent: false; detail: string; retryAt: Date | null }
type Mailing = Claim & { owner: ClaimOwner; mailed: Mailed }

/** Claims from one network. Each mails a letter to an address that the claimer chooses. */
const CLAIMS = { hour: 20, day: 60 }

/**
 * Enters a person as the owner of an agent, and mails the link that proves the address. Throws as `claimAgent` does, and
 * `too_many_attempts` after too many claims from one network.
 */
export async function claimByMail(
  at: At,
  token: string,
  request: { email: string; xHandle: string | null; clientAddress: string | null },
): Promise<Mailing> {
  const retryAt = await throttleNetwork(at, 'claim', request.clientAddress, CLAIMS)
  if (retryAt) {
    const retryAfter = Math.ceil((retryAt.getTime() - at.now.getTime()) / 1_000)
    const message = `Too many claims came from this network. Try again in ${retryAfter} seconds.`
    throw new Fault('too_many_attempts', message, { retryAfter })
  }
  const claim = await claimAgent(at, token, request)
  return { ...claim, mailed: await mailVerification(at, claim) }
}

/** Mails the link again to the owner of a claimed agent, if the owner's address is not verified yet. */
export async function mailVerificationAgain(at: At, token: string): Promise<Mailing> {
  const claim = await unprovedClaim(at, token)
  return { ...claim, mailed: await mailVerification(at, claim) }
}

async function mailVerification(at: At, claim: Claim & { owner: ClaimOwner }): Promise<Mailed> {
  const written = await verificationLetter(at, claim)
  if ('retryAt' in written) {
    const detail = 'this address has already been sent the maximum number of confirmation letters'
    return { isSent: false, detail, retryAt: written.retryAt }
  }
  const refusal = await sendSystemMail(at, written.letter)
  if (refusal === null) return { isSent: true }
  await written.takeBack()
  const retryAt = refusal.retryAt === undefined ? null : new Date(refusal.retryAt)
  return { isSent: false, detail: refusal.detail, retryAt }
}

/** Adds a person to the tenant and invites them by mail. Throws as `addOwner` does. */
export async function inviteOwner(ctx: Ctx, request: { email: string; role: OwnerRole }): Promise<Owner> {
  const { owner, letter } = await addOwner(ctx, request)
  await sendSystemMail(ctx, letter)
  return owner
}

/**
 * Handles a request for a sign-in link. After too many requests it returns when to try again. Otherwise it returns a
 * function that mails the link. Run that function after the answer: its duration would tell whether the address is known.
 */
export async function askSignIn(
  at: At,
  request: { email: string; clientAddress: string | null },
): Promise<{ retryAt: Date } | { mail: () => Promise<void> }> {
  const counted = await countSignInRequest(at, request)
  if ('retryAt' in counted) return counted
  return {
    mail: async () => {
      const letter = await signInLetter(at, counted.contact)
      if (letter) await sendSystemMail(at, letter)
    },
  }
}

/** Adds another address of the signed-in person and mails the link that confirms it. Throws as `addSecondAddress` does. */
export async function askSecondAddress(ctx: Ctx, email: string): Promise<void> {
  const counted = await throttle(ctx, `second addresses of ${ctx.tenantId}`, SECOND_ADDRESSES)
  if (!counted.isAllowed)
    throw new Fault('too_many_attempts', 'Too many letters were asked for. Try again later.', {
      field: 'email',
    })
  await sendSystemMail(ctx, await addSecondAddress(ctx, email))
}

/** Letters to other addresses, for all people of an account. */
const SECOND_ADDRESSES = { hour: 10, day: 30 }

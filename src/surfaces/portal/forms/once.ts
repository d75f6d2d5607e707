import type { MiddlewareHandler } from 'hono'
import { actorName } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { sha256 } from '../../../core/ground/hash.ts'
import { answerOnce } from '../../../core/ground/idempotency.ts'
import type { Portal, PortalContext } from '../context.ts'
import { done } from '../flash.ts'

/** How often, and at what interval, a second submit asks for the answer to the first. */
const TRIES = 100
const TRY_EVERY_MS = 100

/**
 * Does what a form asks for once, even if the same page submits it several times; a repeat is redirected to where the first
 * submit led. The same form with other values is a new request. A form that changed nothing or was refused may be sent again.
 */
export const once: MiddlewareHandler<Portal> = async (c, next) => {
  if (c.req.method !== 'POST') return await next()
  const fields = await fieldsOf(c)
  if (!fields.some(([name, value]) => name === 'once' && value !== '')) return await next()

  const request = {
    route: `POST ${c.req.path} ${actorName(c.var.ctx.actor)}`,
    key: await sha256(JSON.stringify(fields)),
    body: '',
  }
  const answer = await firstAnswer(() =>
    answerOnce(c.var.ctx, request, async () => {
      await next()
      const [leadsTo, isSecret] = [c.get('leadsTo'), c.get('showsSecret') === true]
      const { status } = c.res
      return {
        status,
        body: JSON.stringify(leadsTo),
        isSecret,
        isKept: status < 400 && !!(leadsTo || isSecret),
      }
    }),
  )
  if (!answer.isReplay) return
  const { to, message }: { to: string; message: string } = JSON.parse(answer.body)
  return done(c, to, message)
}

/** A form's fields in their order; for a file, its content. */
async function fieldsOf(c: PortalContext): Promise<[string, string][]> {
  const form = Object.entries(await c.req.parseBody({ all: true }).catch(() => ({})))
  const fields: [string, string][] = []
  for (const [name, values] of form) {
    for (const value of [values].flat()) {
      fields.push([name, value instanceof File ? await value.text() : String(value)])
    }
  }
  return fields
}

/** Waits while the first submit is still running, so that a double click shows its result. */
async function firstAnswer<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (let left = TRIES; ; left--) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      if (error.code === 'secret_already_shown') throw shownBefore()
      if (error.code !== 'idempotency_in_progress') throw error
      if (left === 0) {
        throw new Fault(error.code, 'The same form is still being processed. Reload the page in a moment.')
      }
    }
    await new Promise((resolve) => setTimeout(resolve, TRY_EVERY_MS))
  }
}

const shownBefore = () =>
  new Fault(
    'secret_already_shown',
    'This form was sent twice, and was carried out once. Only the first answer showed the secret. If you did not see it, revoke or delete what was created, and create a new one.',
  )

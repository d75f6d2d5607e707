import type { MiddlewareHandler } from 'hono'
import { actorName } from '../../../core/ground/ctx.ts'
import { Fault } from '../../../core/ground/fault.ts'
import { sha256 } from '../../../core/ground/hash.ts'
import { answerOnce } from '../../../core/ground/idempotency.ts'
import { done, type Portal, type PortalContext } from '../session.ts'

/** How long the second of two submits waits for the first one's answer, in steps. */
const WAITS = 100
const WAIT_MS = 100

/**
 * Does what a form asks for once, however often the same page submits it: a repeat is sent on to where the first was.
 * The same form with other words in it is another request. What only looks, or is refused, may be sent again.
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
  const answer = await settled(() =>
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

/** A form's fields in their order; of a file, its content. */
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

/** Waits for a first submit that still runs, so that a double click shows what came of it. */
async function settled<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  for (let left = WAITS; ; left--) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof Fault)) throw error
      if (error.code === 'secret_already_shown') throw shownBefore()
      if (error.code !== 'idempotency_in_progress') throw error
      if (left === 0) throw new Fault(error.code, 'The same form is still at work. Look again in a moment.')
    }
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS))
  }
}

const shownBefore = () =>
  new Fault(
    'secret_already_shown',
    'This form was sent twice, and did its work once. The secret stood in the first answer alone: if you have not seen it, withdraw what was made and make another.',
  )

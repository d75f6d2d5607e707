import { type Allowance, getBudget } from '../../core/limits/budget.ts'
import { createRoute, json, router, z } from '../http.ts'
import { Id } from './words.ts'

const Window = z
  .object({
    used: z.number(),
    limit: z.number().nullable(),
    remaining: z.number().nullable(),
    resetsAt: z.string(),
  })
  .openapi('BudgetWindow')

const BudgetView = z
  .object({
    tenantId: z.string(),
    mailboxId: z.string(),
    monthly: Window,
    daily: Window,
    hourly: Window,
    plan: z.object({ daily: Window, monthly: Window }),
    negativeSignals: z
      .object({ count: z.number(), budget: z.number().nullable(), remaining: z.number().nullable() })
      .openapi({
        description: 'Bounces and complaints of the last 24 hours, against the riskBudget if one is set.',
      }),
    timestamp: z.string(),
  })
  .openapi('Budget')

export const budget = router()

budget.openapi(
  createRoute({
    method: 'get',
    path: '/agent/budget',
    tags: ['settings'],
    summary: 'Show what a mailbox may still send',
    description:
      'Windows are calendar windows in UTC. Without mailboxId the answer is about the default mailbox. `plan` counts all mailboxes together. If a mailbox has no limit for a window, `limit` is that of the plan. `remaining` is what both limits still allow.',
    security: [{ bearer: [] }],
    request: { query: z.object({ tenantId: Id.optional(), mailboxId: Id.optional() }) },
    responses: { 200: json(BudgetView) },
  }),
  async (c) => {
    const { ctx, now } = c.var
    const { mailboxId, mailbox, plan, negativeSignals } = await getBudget(
      ctx,
      c.req.valid('query').mailboxId ?? null,
    )
    return c.json(
      {
        tenantId: ctx.tenantId,
        mailboxId,
        monthly: within(mailbox.month, plan.month),
        daily: within(mailbox.day, plan.day),
        hourly: within(mailbox.hour, plan.hour),
        plan: { daily: view(plan.day), monthly: view(plan.month) },
        negativeSignals,
        timestamp: now.toISOString(),
      },
      200,
    )
  },
)

function within(own: Allowance, plan: Allowance): z.infer<typeof Window> {
  const left = [own.remaining, plan.remaining].filter((each) => each !== null)
  const remaining = left.length === 0 ? null : Math.min(...left)
  return { ...view(own), limit: own.limit ?? plan.limit, remaining }
}

function view({ used, limit, remaining, resetsAt }: Allowance): z.infer<typeof Window> {
  return { used, limit, remaining, resetsAt: resetsAt.toISOString() }
}

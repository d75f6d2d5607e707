import { type DlpSettings, getDlp, updateDlp } from '../../core/accounts/dlp-policy.ts'
import { DLP_MODES } from '../../core/reading/dlp/mode.ts'
import { createRoute, json, optionalBody, router, z } from '../http.ts'
import { ErrorView } from './refusals.ts'
import { ERRORS, jsonIfAny } from './words.ts'

const DlpView = z
  .object({
    mode: z.enum(DLP_MODES),
    rules_version: z.string().openapi({ format: 'date' }),
    rules: z.array(z.object({ name: z.string(), description: z.string(), enabled: z.boolean() })),
    disabled_rules: z.array(z.string()),
  })
  .openapi('DlpPolicy')

const DlpChange = z
  .object({
    mode: z.enum(DLP_MODES).optional().openapi({
      description:
        'monitor: sent, and the trace says what was found. redact: struck out. block: refused with 422.',
    }),
    disabled_rules: z
      .array(z.string().max(100))
      .max(200)
      .optional()
      .openapi({ description: 'The names of all rules to disable; replaces the current list.' }),
  })
  .openapi('DlpPolicyChange')

const common = { tags: ['oversight'], security: [{ bearer: [] }] }

export const oversight = router()

oversight.openapi(
  createRoute({
    ...common,
    method: 'get',
    path: '/oversight/dlp',
    summary: 'Get owner DLP policy',
    responses: { 200: json(DlpView), ...ERRORS },
  }),
  async (c) => c.json(view(await getDlp(c.var.ctx)), 200),
)

oversight.openapi(
  createRoute({
    ...common,
    method: 'patch',
    path: '/oversight/dlp',
    summary: 'Update mode / disabled rules',
    description: `Fields that are left out keep their values. An agent's key may make the policy stricter. To make it less strict, or to
disable a rule, needs a person, or a key with "loosen": 403 human_decision_required.`,
    middleware: jsonIfAny,
    request: optionalBody(DlpChange),
    responses: {
      200: json(DlpView),
      403: json(ErrorView, 'Less strict, which takes a person'),
      422: json(ErrorView, 'The body does not fit, or names no rule'),
      ...ERRORS,
    },
  }),
  async (c) => {
    const { mode, disabled_rules }: z.infer<typeof DlpChange> = c.req.valid('json') ?? {}
    return c.json(view(await updateDlp(c.var.ctx, { mode, disabledRules: disabled_rules })), 200)
  },
)

function view({ mode, rulesVersion, rules, disabledRules }: DlpSettings): z.infer<typeof DlpView> {
  return { mode, rules_version: rulesVersion, rules, disabled_rules: disabledRules }
}

import { z } from '../http.ts'
import { Id } from './words.ts'

// What the routes of templates take and answer.

const Subject = z.string().min(1).max(2_000)

const Part = z.string().max(200_000).nullable().default(null)

const Variable = z.object({
  name: z.string().min(1).max(100),
  type: z.string().min(1).max(50).default('string'),
  required: z.boolean().default(true),
})

const Variables = z
  .array(Variable)
  .max(200)
  .refine((list) => new Set(list.map((each) => each.name)).size === list.length, 'names a variable twice')
  .default([])

const hasBody = (content: { html: string | null; text: string | null }) =>
  content.html !== null || content.text !== null

const Content = z
  .object({ subject: Subject, html: Part, text: Part, variables: Variables })
  .refine(hasBody, { path: ['html'], message: 'is required, or text' })

export const TemplateBody = z
  .object({
    tenantId: Id.optional(),
    slug: z.string().min(1).max(100).openapi({
      description: 'a-z, 0-9, "-" and "_"; it begins with a letter or digit, but not with "tpl_".',
      example: 'onboarding-welcome',
    }),
    name: z.string().min(1).max(200),
    type: z.enum(['marketing', 'transactional']).default('marketing'),
    approvalRequired: z.boolean().optional().openapi({
      description:
        'By default false, or true if another template has it and the key has no "loosen". To say false then is 403 human_decision_required.',
    }),
    content: Content.optional(),
    autoPublish: z.boolean().default(false),
  })
  .openapi('TemplateRequest')

export const VersionBody = z
  .object({
    tenantId: Id.optional(),
    subjectTemplate: Subject.openapi({ example: 'Welcome, {{firstName}}' }),
    htmlTemplate: Part,
    textTemplate: Part,
    variables: Variables,
  })
  .refine((version) => hasBody({ html: version.htmlTemplate, text: version.textTemplate }), {
    path: ['htmlTemplate'],
    message: 'is required, or textTemplate',
  })
  .openapi('TemplateVersionRequest')

const Status = z.enum(['draft', 'pending_approval', 'published', 'rejected', 'archived'])

export const VersionView = z
  .object({
    id: z.string().openapi({ description: 'The id to use when the approval of the version is decided.' }),
    templateId: z.string(),
    version: z.number(),
    status: Status,
    subjectTemplate: z.string(),
    htmlTemplate: z.string().nullable(),
    textTemplate: z.string().nullable(),
    variables: z.array(Variable),
    createdAt: z.string(),
    publishedAt: z.string().nullable(),
  })
  .openapi('TemplateVersion')

export const TemplateView = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    slug: z.string(),
    name: z.string(),
    type: z.enum(['marketing', 'transactional']),
    approvalRequired: z.boolean(),
    publishedVersion: z.number().nullable(),
    createdAt: z.string(),
    updatedAt: z.string(),
  })
  .openapi('Template')

export const WholeTemplate = TemplateView.extend({
  versions: z.array(VersionView).openapi({ description: 'The newest 20, newest first.' }),
}).openapi('TemplateWithVersions')

export const Finding = z.object({
  code: z.string(),
  part: z.enum(['subject', 'html', 'text']).nullable(),
  detail: z.string(),
})

export const VersionNumber = z.number().int().min(1)

export const Ref = z.object({ idOrSlug: z.string().min(1).max(100) })

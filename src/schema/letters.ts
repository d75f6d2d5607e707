import { integer, primaryKey, sqliteTable, text, uniqueIndex } from 'drizzle-orm/sqlite-core'
import { flag, time } from './columns.ts'

export const templates = sqliteTable(
  'templates',
  {
    tenantId: text().notNull(),
    id: text().notNull(),
    slug: text().notNull(),
    name: text().notNull(),
    type: text({ enum: ['marketing', 'transactional'] }).notNull(),
    approvalRequired: flag().notNull().default(false),
    publishedVersion: integer(),
    createdAt: time().notNull(),
    updatedAt: time().notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.tenantId, t.id] }),
    uniqueIndex('templates_by_slug').on(t.tenantId, t.slug),
  ],
)

export type TemplateVariable = { name: string; type: string; required: boolean }

/** Versions of a template; their content never changes once written. */
export const templateVersions = sqliteTable(
  'template_versions',
  {
    tenantId: text().notNull(),
    templateId: text().notNull(),
    version: integer().notNull(),
    subject: text().notNull(),
    html: text(),
    text: text(),
    variables: text({ mode: 'json' }).$type<TemplateVariable[]>().notNull(),
    status: text({ enum: ['draft', 'pending_approval', 'published', 'rejected', 'archived'] }).notNull(),
    createdAt: time().notNull(),
    publishedAt: time(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.templateId, t.version] })],
)

export type RecipientKind = 'to' | 'cc' | 'bcc'

export type Recipient = { kind: RecipientKind; email: string; name: string | null; contact: string }

/**
 * A file of a message, its content in R2 under `key`. `size` is in bytes. `blocked` says why a file that arrived is not
 * handed on.
 */
export type StoredFile = {
  id: string
  filename: string
  contentType: string
  size: number
  key: string
  /** Of the content, where a sender of ours gave it. */
  sha256?: string
  blocked?: string
  /** What the HTML of the message names it by, where that shows it. */
  contentId?: string
}

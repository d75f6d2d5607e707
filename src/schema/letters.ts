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

/** Versions of a template. Their content never changes. */
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
    /** The keys that wrote it and asked for its approval. Null if a person did. They cannot approve it. */
    makerKeyId: text(),
    submitterKeyId: text(),
  },
  (t) => [primaryKey({ columns: [t.tenantId, t.templateId, t.version] })],
)

export type RecipientKind = 'to' | 'cc' | 'bcc'

export type Recipient = { kind: RecipientKind; email: string; name: string | null; contact: string }

/**
 * A file of a message. Its content is in R2 under `key`; `size` is in bytes. `blocked` says why a received file cannot be
 * downloaded.
 */
export type StoredFile = {
  id: string
  filename: string
  contentType: string
  size: number
  key: string
  /** Of the content. Only for files that our own senders attach. */
  sha256?: string
  blocked?: string
  /** The Content-ID, if the HTML of the message shows the file inline. */
  contentId?: string
}

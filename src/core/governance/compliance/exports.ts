import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { and, desc, eq, inArray, lt, sql } from 'drizzle-orm'
import { type Env, settings } from '../../../env.ts'
import { archives } from '../../../schema/governance.ts'
import { claimedOwner } from '../../accounts/people.ts'
import { type Ctx, database, mustBeAllowed } from '../../ground/ctx.ts'
import { Fault } from '../../ground/fault.ts'
import { newId } from '../../ground/ids.ts'
import { audited } from '../../journal/audit.ts'
import { ringJobs } from '../../journal/bells.ts'
import { archiveKey } from './archive.ts'

export type Archive = typeof archives.$inferSelect

/** How long a download link is valid, in ms. */
const LINK_MS = 3_600_000

const PURPOSE = 'moltpost archive 1'

/** Orders an archive of all data of the tenant. While one is in progress, returns that one. Fault: `not_claimed`. */
export async function requestArchive(ctx: Ctx): Promise<Archive> {
  mustBeAllowed(ctx, 'manage')
  await claimedOwner(ctx)
  const { db, env, now, tenantId } = ctx
  const id = newId('exp', now)
  const isOpen = and(eq(archives.tenantId, tenantId), inArray(archives.state, ['queued', 'running']))
  const [, , , open] = await db.batch([
    db.insert(archives).select(sql`
      SELECT ${tenantId}, ${id}, 'queued', 0, 0, NULL, 0, NULL, ${now.getTime()}, ${now.getTime()}, NULL, NULL
      WHERE NOT EXISTS (SELECT 1 FROM ${archives} WHERE ${isOpen})`),
    ...audited(ctx, [{ action: 'tenant.export_requested', target: id }]),
    db.select().from(archives).where(isOpen),
  ])
  const [archive] = open
  if (!archive) throw new Fault('conflict', 'Another export has just been completed. Try again.')
  await ringJobs(env, [{ tenantId, archiveId: archive.id }])
  return archive
}

/** One export of the tenant. Fault: `not_found`. */
export async function getArchive(ctx: Ctx, id: string): Promise<Archive> {
  mustBeAllowed(ctx, 'manage')
  const [found] = await ctx.db
    .select()
    .from(archives)
    .where(and(eq(archives.tenantId, ctx.tenantId), eq(archives.id, id)))
  if (!found) throw new Fault('not_found', 'No such export.')
  return found
}

/** The exports of the tenant, newest first. */
export async function listArchives(
  ctx: Ctx,
  page: { before: string | null; limit: number },
): Promise<Archive[]> {
  mustBeAllowed(ctx, 'manage')
  return await ctx.db
    .select()
    .from(archives)
    .where(
      and(
        eq(archives.tenantId, ctx.tenantId),
        page.before === null ? undefined : lt(archives.id, page.before),
      ),
    )
    .orderBy(desc(archives.id))
    .limit(page.limit)
}

/** A link that downloads the archive without a key, for one hour. Null if the archive is not ready or no TOKEN_SECRET is set. */
export function downloadLink(env: Env, now: Date, archive: Archive): { url: string; expiresAt: Date } | null {
  const { state, tenantId, id, expiresAt } = archive
  if (state !== 'ready' || expiresAt === null || expiresAt <= now) return null
  const until = Math.min(now.getTime() + LINK_MS, expiresAt.getTime())
  const seal = sealOf(env, tenantId, id, until)
  if (seal === null) return null
  const url = `${settings(env).publicUrl}/v1/compliance/archives/${until}.${tenantId}.${id}.${seal}`
  return { url, expiresAt: new Date(until) }
}

/** The archive of a download link. Faults: `not_found` for a link that we did not sign, `expired` for an old one. */
export async function openArchive(
  env: Env,
  now: Date,
  token: string,
): Promise<{ id: string; object: R2ObjectBody }> {
  const unknown = () => new Fault('not_found', 'This link is not valid.')
  const [until = '', tenantId = '', id = '', seal = ''] = token.split('.')
  const own = sealOf(env, tenantId, id, Number(until))
  if (own === null || own.length !== seal.length || !timingSafeEqual(Buffer.from(own), Buffer.from(seal)))
    throw unknown()
  if (Number(until) <= now.getTime())
    throw new Fault('expired', 'This link has expired. Read the export again to get a new one.')
  const [archive] = await database(env)
    .select()
    .from(archives)
    .where(and(eq(archives.tenantId, tenantId), eq(archives.id, id), eq(archives.state, 'ready')))
  const object = archive ? await env.MAIL.get(archiveKey(archive)) : null
  if (!object) throw unknown()
  return { id, object }
}

function sealOf(env: Env, tenantId: string, id: string, until: number): string | null {
  const { tokenSecret } = settings(env)
  if (tokenSecret === null) return null
  const key = new Uint8Array(hkdfSync('sha256', tokenSecret, '', PURPOSE, 32))
  return createHmac('sha256', key).update(`${until} ${tenantId} ${id}`).digest('base64url')
}

import { makeZip } from 'client-zip'
import { and, eq, gt, inArray, sql } from 'drizzle-orm'
import type { Env } from '../../../env.ts'
import { archives } from '../../../schema/governance.ts'
import { database } from '../../ground/ctx.ts'
import { newToken } from '../../ground/ids.ts'
import { tellFailure } from '../../ground/log.ts'
import type { ArchiveBell } from '../../journal/bells.ts'
import { mailFiles, tableFiles } from './contents.ts'

/** How long an archive is kept, in ms. */
const KEPT_MS = 7 * 86_400_000
/** How long a builder's lock on an archive lasts, in ms. The builder renews it while it works. */
const LOCK_MS = 120_000
const LOCKS_AT_MOST = 8
/** The size of an upload part in bytes. R2 wants all parts but the last to be of one size. */
const PART = 8 * 1024 * 1024

/** The key of an archive in R2. */
export function archiveKey({ tenantId, id }: { tenantId: string; id: string }): string {
  return `archives/${tenantId}/${id}.zip`
}

/**
 * Builds an archive as a stream, with at most one part in memory. If a builder stops, another begins again under the same
 * key, and the first to finish counts. If the archive has expired, it is deleted instead.
 */
export async function buildArchive(
  env: Env,
  { tenantId, archiveId: id }: ArchiveBell,
  clock: () => Date,
): Promise<void> {
  const db = database(env)
  const isArchive = and(eq(archives.tenantId, tenantId), eq(archives.id, id))
  const token = newToken()
  const due = sql`${archives.nextAt} <= ${clock().getTime()}`
  const [locked] = await db
    .update(archives)
    .set({
      state: 'running',
      lockToken: token,
      locks: sql`${archives.locks} + 1`,
      nextAt: new Date(clock().getTime() + LOCK_MS),
    })
    .where(and(isArchive, inArray(archives.state, ['queued', 'running']), due))
    .returning()
  if (!locked) return await expire(env, { tenantId, id }, clock)
  const isMine = and(isArchive, eq(archives.lockToken, token))
  if (locked.locks > LOCKS_AT_MOST) {
    await db.update(archives).set({ state: 'failed', error: 'gave_up', nextAt: null }).where(isMine)
    return
  }
  const progress = { files: 0, size: 0 }
  const keepLock = async () => {
    const nextAt = new Date(clock().getTime() + LOCK_MS)
    const { meta } = await db
      .update(archives)
      .set({ ...progress, nextAt })
      .where(isMine)
    return meta.changes > 0
  }
  try {
    const files = counted([tableFiles(env, tenantId, clock()), mailFiles(env, tenantId)], progress)
    const isUploaded = await upload(env, archiveKey({ tenantId, id }), makeZip(files), progress, keepLock)
    if (!isUploaded) return
  } catch (error) {
    tellFailure('archive_failed', error, { tenantId, archiveId: id })
    return
  }
  const completedAt = clock()
  const expiresAt = new Date(completedAt.getTime() + KEPT_MS)
  await db
    .update(archives)
    .set({ ...progress, state: 'ready', completedAt, expiresAt, nextAt: expiresAt, lockToken: null })
    .where(isMine)
}

async function expire(env: Env, { tenantId, id }: { tenantId: string; id: string }, clock: () => Date) {
  const isExpired = and(
    eq(archives.tenantId, tenantId),
    eq(archives.id, id),
    eq(archives.state, 'ready'),
    sql`${archives.expiresAt} <= ${clock().getTime()}`,
    gt(archives.size, 0),
  )
  const [expired] = await database(env)
    .update(archives)
    .set({ state: 'expired', nextAt: null })
    .where(isExpired)
    .returning()
  if (expired) await env.MAIL.delete(archiveKey(expired))
}

type File = { name: string; input: string | Uint8Array | AsyncIterable<string> }

async function* counted(sources: AsyncIterable<File>[], progress: { files: number }) {
  for (const source of sources) {
    for await (const file of source) {
      progress.files += 1
      yield { ...file, lastModified: new Date(0) }
    }
  }
}

/** Uploads the stream in parts. Returns false if another builder has taken the lock. */
async function upload(
  env: Env,
  key: string,
  stream: ReadableStream<Uint8Array>,
  progress: { size: number },
  keepLock: () => Promise<boolean>,
): Promise<boolean> {
  const parts: R2UploadedPart[] = []
  let target: R2MultipartUpload | null = null
  let waiting: Uint8Array[] = []
  let size = 0
  const bytes = () => {
    const all = Buffer.concat(waiting)
    return { part: all.subarray(0, PART), rest: all.subarray(PART) }
  }
  for await (const chunk of stream) {
    waiting.push(chunk)
    size += chunk.byteLength
    progress.size += chunk.byteLength
    while (size >= PART) {
      const { part, rest } = bytes()
      target ??= await env.MAIL.createMultipartUpload(key)
      parts.push(await target.uploadPart(parts.length + 1, part))
      waiting = [rest]
      size = rest.byteLength
      if (await keepLock()) continue
      await target.abort()
      return false
    }
  }
  const { part } = bytes()
  if (!(await keepLock())) {
    await target?.abort()
    return false
  }
  if (target === null) await env.MAIL.put(key, part)
  else {
    if (size > 0) parts.push(await target.uploadPart(parts.length + 1, part))
    await target.complete(parts)
  }
  return true
}

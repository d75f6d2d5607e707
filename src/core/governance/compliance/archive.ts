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
export const KEPT_MS = 7 * 86_400_000
/** How long a builder holds an archive without a sign of life, in ms. */
const CLAIM_MS = 120_000
const LOCKS_AT_MOST = 8
/** R2 wants parts of one size, the last one excepted, in bytes. */
const PART = 8 * 1024 * 1024

/** Where an archive lies in R2. */
export function archiveKey({ tenantId, id }: { tenantId: string; id: string }): string {
  return `archives/${tenantId}/${id}.zip`
}

/**
 * Builds an archive, streaming: what is in memory is one part of it. Stopped, it is begun again under the same key, and the
 * one that ends first is the one that counts. Where the archive has had its time, it is deleted instead.
 */
export async function buildArchive(
  env: Env,
  { tenantId, archiveId: id }: ArchiveBell,
  clock: () => Date,
): Promise<void> {
  const db = database(env)
  const isIt = and(eq(archives.tenantId, tenantId), eq(archives.id, id))
  const token = newToken()
  const due = sql`${archives.nextAt} <= ${clock().getTime()}`
  const [locked] = await db
    .update(archives)
    .set({
      state: 'running',
      lockToken: token,
      locks: sql`${archives.locks} + 1`,
      nextAt: new Date(clock().getTime() + CLAIM_MS),
    })
    .where(and(isIt, inArray(archives.state, ['queued', 'running']), due))
    .returning()
  if (!locked) return await expire(env, { tenantId, id }, clock)
  const isMine = and(isIt, eq(archives.lockToken, token))
  if (locked.locks > LOCKS_AT_MOST) {
    await db.update(archives).set({ state: 'failed', error: 'gave_up', nextAt: null }).where(isMine)
    return
  }
  const progress = { files: 0, size: 0 }
  const isAlive = async () => {
    const nextAt = new Date(clock().getTime() + CLAIM_MS)
    const { meta } = await db
      .update(archives)
      .set({ ...progress, nextAt })
      .where(isMine)
    return meta.changes > 0
  }
  try {
    const files = counted([tableFiles(env, tenantId, clock()), mailFiles(env, tenantId)], progress)
    const isWhole = await upload(env, archiveKey({ tenantId, id }), makeZip(files), progress, isAlive)
    if (!isWhole) return
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
  const isOver = and(
    eq(archives.tenantId, tenantId),
    eq(archives.id, id),
    eq(archives.state, 'ready'),
    sql`${archives.expiresAt} <= ${clock().getTime()}`,
    gt(archives.size, 0),
  )
  const [over] = await database(env)
    .update(archives)
    .set({ state: 'expired', nextAt: null })
    .where(isOver)
    .returning()
  if (over) await env.MAIL.delete(archiveKey(over))
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

/** False where somebody else has taken the work over. */
async function upload(
  env: Env,
  key: string,
  stream: ReadableStream<Uint8Array>,
  progress: { size: number },
  isAlive: () => Promise<boolean>,
): Promise<boolean> {
  const parts: R2UploadedPart[] = []
  let target: R2MultipartUpload | null = null
  let waiting: Uint8Array[] = []
  let held = 0
  const bytes = () => {
    const all = Buffer.concat(waiting)
    return { part: all.subarray(0, PART), rest: all.subarray(PART) }
  }
  for await (const chunk of stream) {
    waiting.push(chunk)
    held += chunk.byteLength
    progress.size += chunk.byteLength
    while (held >= PART) {
      const { part, rest } = bytes()
      target ??= await env.MAIL.createMultipartUpload(key)
      parts.push(await target.uploadPart(parts.length + 1, part))
      waiting = [rest]
      held = rest.byteLength
      if (await isAlive()) continue
      await target.abort()
      return false
    }
  }
  const { part } = bytes()
  if (!(await isAlive())) {
    await target?.abort()
    return false
  }
  if (target === null) await env.MAIL.put(key, part)
  else {
    if (held > 0) parts.push(await target.uploadPart(parts.length + 1, part))
    await target.complete(parts)
  }
  return true
}

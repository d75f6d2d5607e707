import { statfsSync } from 'node:fs'

const AT_LEAST_BYTES = 2_000_000_000

/**
 * Has the tests and what they start keep their databases in memory where the system has a disk that is memory: each write
 * waits for the disk, and no test outlives its machine.
 */
export function keepInMemory(folder = '/dev/shm') {
  try {
    const { bavail, bsize } = statfsSync(folder)
    if (bavail * bsize >= AT_LEAST_BYTES) process.env.TMPDIR = folder
  } catch {
    // There is no such disk here: the ordinary folder for temporary files does, too.
  }
}

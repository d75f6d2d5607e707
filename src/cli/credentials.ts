import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { Failure } from './failure.ts'
import { isObject, type JsonObject, textAt } from './json.ts'

type Login = { apiKey: string; tenantId: string; agentId: string | null }

export type Credentials = {
  /** The address of the last login. */
  current: string | null
  /** One login per address: a key is only ever sent to the address it was given for. */
  logins: Map<string, Login>
  /** The id of the agent registered last, by address and tenant. */
  agents: Map<string, string>
}

/** Readable and writable by the file's owner only. */
const FILE_MODE = 0o600

function credentialsFile(): string {
  return join(homedir(), '.molted', 'credentials.json')
}

/** Reads the stored logins. If other users could read the file, takes that right away and warns on stderr. */
export async function readCredentials(): Promise<Credentials> {
  const file = credentialsFile()
  const found = await stat(file).catch(() => null)
  if (found === null) return { current: null, logins: new Map(), agents: new Map() }
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0) {
    await chmod(file, FILE_MODE)
    console.error(
      `warning: ${file} could be read by other users (it is 0600 now). Consider creating a new key.`,
    )
  }
  const stored = parse(await readFile(file, 'utf8'))
  if (stored === null) {
    throw new Failure(1, `${file} is damaged`, 'Delete it and log in again: molted auth login')
  }
  return {
    current: textAt(stored, 'current'),
    logins: new Map(entries(stored.logins).flatMap(([address, login]) => loginOf(address, login))),
    agents: new Map(
      entries(stored.agents).flatMap(([of, id]) => (typeof id === 'string' ? [[of, id] as const] : [])),
    ),
  }
}

/** Replaces the file in one step: a reader sees the old file or the new one. */
export async function writeCredentials({ current, logins, agents }: Credentials): Promise<void> {
  const file = credentialsFile()
  const content = { current, logins: Object.fromEntries(logins), agents: Object.fromEntries(agents) }
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  const written = `${file}.${process.pid}`
  try {
    await writeFile(written, `${JSON.stringify(content, null, 2)}\n`, { mode: FILE_MODE, flag: 'wx' })
    await rename(written, file)
  } catch (error) {
    await rm(written, { force: true })
    throw error
  }
}

function parse(text: string): JsonObject | null {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

function entries(value: unknown): [string, unknown][] {
  return isObject(value) ? Object.entries(value) : []
}

function loginOf(address: string, login: unknown): [string, Login][] {
  const apiKey = textAt(login, 'apiKey')
  const tenantId = textAt(login, 'tenantId')
  if (apiKey === null || tenantId === null) return []
  return [[address, { apiKey, tenantId, agentId: textAt(login, 'agentId') }]]
}

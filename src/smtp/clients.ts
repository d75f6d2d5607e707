/** How long a failed login counts, in ms: ten minutes. */
const REMEMBERED_MS = 600_000

export type Clients = ReturnType<typeof clientsWithin>

/** Counts open connections and failed logins per client address. IPv6 addresses count by their /64 network. */
export function clientsWithin({ perClient, failures }: { perClient: number; failures: number }) {
  const open = new Map<string, Set<string>>()
  const failed = new Map<string, number[]>()
  const recent = (client: string, now: number) => {
    const times = (failed.get(client) ?? []).filter((at) => at > now - REMEMBERED_MS)
    if (times.length === 0) failed.delete(client)
    else failed.set(client, times)
    return times
  }
  return {
    /** Opens a connection for this client, until `leave`. False if the client has too many already. */
    enter(address: string, sessionId: string): boolean {
      const client = clientOf(address)
      const sessions = open.get(client) ?? new Set()
      if (sessions.size >= perClient) return false
      open.set(client, sessions.add(sessionId))
      return true
    },
    leave(address: string, sessionId: string): void {
      const sessions = open.get(clientOf(address))
      sessions?.delete(sessionId)
      if (sessions?.size === 0) open.delete(clientOf(address))
    },
    hasFailedTooOften: (address: string, now: number) => recent(clientOf(address), now).length >= failures,
    fail(address: string, now: number): void {
      const client = clientOf(address)
      failed.set(client, [...recent(client, now), now])
      if (failed.size > 10_000) for (const known of failed.keys()) recent(known, now)
    },
  }
}

function clientOf(address: string): string {
  return address.includes(':') && !address.includes('.') ? address.split(':').slice(0, 4).join(':') : address
}

import { peers } from './peer-letter.ts'
import type { Heard } from './peer-webhooks.ts'

/** Makes a new endpoint that answers with these statuses in turn, and then always with the last one. */
export async function newEndpoint(
  statuses: (number | 'hang')[] = [200],
  more: { body?: string; headers?: Record<string, string> } = {},
) {
  const url = `${peers.webhooks}/${crypto.randomUUID()}`
  const answer = async (next: (number | 'hang')[]) => {
    await fetch(url, { method: 'PUT', body: JSON.stringify({ statuses: next, ...more }) })
  }
  await answer(statuses)
  return {
    url,
    answer,
    heard: async (): Promise<Heard[]> => (await fetch(url)).json(),
    /** Whether two libraries for receivers accept the signature of a request under a secret. */
    believed: async (secret: string, { headers, body }: Omit<Heard, 'at'>) => {
      const answer = await fetch(`${peers.webhooks}/-verify`, {
        method: 'POST',
        body: JSON.stringify({ secret, headers, body }),
      })
      return answer.json<{ standardwebhooks: boolean; svix: boolean }>()
    },
  }
}

export const BELIEVED = { standardwebhooks: true, svix: true }
export const NOT_BELIEVED = { standardwebhooks: false, svix: false }

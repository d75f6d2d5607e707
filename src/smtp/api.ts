/** Who has logged in. The password is kept as long as the session lasts, to hand in mail in the client's own name. */
export type Login = { username: string; password: string }

/** What Moltpost answered; null where it did not answer in time, or not as Moltpost does. */
export type Answer = { status: number; body: Record<string, unknown>; retryAfterS: number | null } | null

export type Api = ReturnType<typeof apiAt>

const ASKING_MS = 20_000
const SUBMITTING_MS = 60_000

/** Moltpost at an address. Each call bears the client's own credential. */
export function apiAt(base: URL) {
  const call = async (
    login: Login,
    path: string,
    request: RequestInit,
    withinMs: number,
  ): Promise<Answer> => {
    try {
      const response = await fetch(new URL(path, base), {
        ...request,
        headers: { ...request.headers, authorization: basic(login) },
        // Whoever redirects would be given the password.
        redirect: 'error',
        signal: AbortSignal.timeout(withinMs),
      })
      const body = (await response.json()) as Record<string, unknown>
      const retryAfterS = Number(response.headers.get('retry-after')) || null
      return typeof body === 'object' && body !== null ? { status: response.status, body, retryAfterS } : null
    } catch {
      return null
    }
  }
  return {
    session: (login: Login) => call(login, '/v1/smtp/session', {}, ASKING_MS),
    recipient: (login: Login, recipient: string) =>
      call(
        login,
        '/v1/smtp/recipients',
        {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ recipient }),
        },
        ASKING_MS,
      ),
    submission: (login: Login, envelope: { from: string; to: string[] }, raw: Buffer) =>
      call(
        login,
        '/v1/smtp/submissions',
        {
          method: 'POST',
          headers: {
            'content-type': 'message/rfc822',
            'x-envelope-from': encodeURIComponent(envelope.from),
            'x-envelope-to': envelope.to.map(encodeURIComponent).join(','),
          },
          body: new Uint8Array(raw),
        },
        SUBMITTING_MS,
      ),
  }
}

function basic({ username, password }: Login): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

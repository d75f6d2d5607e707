/** The credential of a logged-in client. The password is kept for the session, because each call to the API needs it. */
export type Login = { username: string; password: string }

/** The answer of Moltpost. Null if there was no answer in time, or it was not a JSON object. */
export type Answer = { status: number; body: Record<string, unknown>; retryAfterS: number | null } | null

export type Api = ReturnType<typeof apiAt>

const SESSION_TIMEOUT_MS = 20_000
const SUBMISSION_TIMEOUT_MS = 60_000

/** The calls to Moltpost. Each is made with the credential of the client. */
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
        // Following a redirect would send the password to another address.
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
    session: (login: Login) => call(login, '/v1/smtp/session', {}, SESSION_TIMEOUT_MS),
    recipient: (login: Login, recipient: string) =>
      call(
        login,
        '/v1/smtp/recipients',
        {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ recipient }),
        },
        SESSION_TIMEOUT_MS,
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
        SUBMISSION_TIMEOUT_MS,
      ),
  }
}

function basic({ username, password }: Login): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

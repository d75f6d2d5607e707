import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

const stages = ['greeting', 'ehlo', 'auth', 'mail', 'rcpt', 'data', 'body', 'dot', 'quit'] as const
type Stage = (typeof stages)[number]

/** What happens instead of the usual answer. A text that begins with a digit is sent as it is. */
const actions = {
  cut: '',
  reset: '',
  hang: '',
  garbage: 'what is this\r\nit is not SMTP\r\n',
  flood: '',
  drip: '',
  '354': '354 go on\r\n',
  '421': '421 4.3.2 closing, too many connections\r\n',
  '451': '451 4.3.0 local error, come back\r\n',
  '554': '554 5.7.1 not welcome here\r\n',
  multi: '',
  extra: '',
}
type Action = keyof typeof actions

const usual: Record<Exclude<Stage, 'body'>, string> = {
  greeting: '220 fault.test ESMTP\r\n',
  ehlo: '250-fault.test\r\n250-AUTH PLAIN\r\n250 SIZE 1000000\r\n',
  auth: '235 2.7.0 welcome\r\n',
  mail: '250 2.1.0 ok\r\n',
  rcpt: '250 2.1.5 ok\r\n',
  data: '354 go on\r\n',
  dot: '250 2.0.0 ok: queued as FAULTLESS\r\n',
  quit: '221 bye\r\n',
}

/**
 * SMTP servers that fail on purpose, one port per `stage:action`, and two that attack: `starttls:inject` sends more than is
 * allowed before the handshake, `starttls:lie` offers STARTTLS and then does not speak TLS.
 * `taken` counts, by the same name, the messages whose final dot arrived.
 */
export async function startFaultServers() {
  const servers: Server[] = []
  const sockets = new Map<Socket, string>()
  const taken: Record<string, number> = {}
  const commands: Record<string, string[]> = {}

  const start = async (name: string, serve: (socket: Socket) => void) => {
    const server = createServer((socket) => {
      sockets.set(socket, name)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => {})
      serve(socket)
    })
    servers.push(server)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    return [name, (server.address() as AddressInfo).port] as const
  }

  const ears = (name: string): Ears => ({
    took: () => {
      taken[name] = (taken[name] ?? 0) + 1
    },
    heard: (line) => {
      commands[name] = [...(commands[name] ?? []), line]
    },
  })
  const starting = stages.flatMap((stage) =>
    (Object.keys(actions) as Action[]).map((action) => {
      const name = `${stage}:${action}`
      return start(name, (socket) => converse(socket, stage, action, ears(name)))
    }),
  )
  const attacks = Object.entries(handshakes).map(([attack, [answer, after]]) => {
    const name = `starttls:${attack}`
    return start(name, (socket) => upgrade(socket, answer, after, ears(name)))
  })
  const ports = Object.fromEntries(await Promise.all([...starting, ...attacks]))
  return {
    ports,
    taken,
    commands,
    open: (name: string) => [...sockets.values()].filter((other) => other === name).length,
    stop: async () => {
      for (const socket of sockets.keys()) socket.destroy()
      for (const server of servers) server.close()
    },
  }
}

type Ears = { took: () => void; heard: (line: string) => void }

function converse(socket: Socket, faulty: Stage, action: Action, { took, heard }: Ears) {
  let pending = ''
  let inBody = false
  const answer = (stage: Exclude<Stage, 'body'>) => {
    if (stage === 'dot') took()
    if (stage === faulty) act(socket, action, usual[stage])
    else socket.write(usual[stage])
  }
  answer('greeting')
  socket.on('data', (chunk) => {
    pending += chunk.toString('latin1')
    for (;;) {
      if (inBody) {
        if (pending === '') return
        if (faulty === 'body') return act(socket, action, usual.dot)
        const end = pending.indexOf('\r\n.\r\n')
        if (end < 0) return
        pending = pending.slice(end + 5)
        inBody = false
        answer('dot')
        continue
      }
      const end = pending.indexOf('\r\n')
      if (end < 0) return
      const line = pending.slice(0, end)
      pending = pending.slice(end + 2)
      heard(line)
      const stage = line.slice(0, 4).trim().toLowerCase()
      if (stage === 'data') inBody = faulty !== 'data' || action === 'multi'
      if (
        stage === 'ehlo' ||
        stage === 'auth' ||
        stage === 'mail' ||
        stage === 'rcpt' ||
        stage === 'data' ||
        stage === 'quit'
      )
        answer(stage)
      if (stage === 'quit') socket.end()
    }
  })
}

function act(socket: Socket, action: Action, expected: string) {
  if (action === 'cut') socket.end()
  else if (action === 'reset') socket.resetAndDestroy()
  else if (action === 'flood') flood(socket)
  else if (action === 'drip') drip(socket)
  else if (action === 'multi')
    socket.write(expected.replace(/^(\d{3}) /, '$1-first line\r\n$1-second line\r\n$1 '))
  else if (action === 'extra') socket.write(`${expected}250 2.0.0 ok: queued as EARLY\r\n`)
  else if (action !== 'hang') socket.write(actions[action])
}

/** A reply that never ends, as fast as the client reads it. */
function flood(socket: Socket) {
  const line = '250-more\r\n'.repeat(1000)
  const go = () => {
    while (!socket.destroyed && socket.write(line));
  }
  socket.on('drain', go)
  go()
}

/** A reply that never ends, a byte at a time: no single read is slow, but the reply is. */
function drip(socket: Socket) {
  const timer = setInterval(() => socket.write('2'), 50)
  socket.on('close', () => clearInterval(timer))
}

/** The reply to STARTTLS, and to the handshake that follows it; null closes the connection. */
const handshakes: Record<string, [string, string | null]> = {
  inject: ['220 go ahead\r\n250-fault.test\r\n250 AUTH PLAIN\r\n', ''],
  lie: ['220 go ahead\r\n', '250 still in clear\r\n'],
  cut: ['220 go ahead\r\n', null],
  hang: ['220 go ahead\r\n', ''],
  refuse: ['454 4.7.0 TLS not available\r\n', ''],
}

function upgrade(socket: Socket, answer: string, after: string | null, { heard }: Ears) {
  socket.write(usual.greeting)
  let upgraded = false
  socket.on('data', (chunk) => {
    const line = chunk.toString('latin1').trimEnd()
    heard(line)
    if (upgraded) {
      if (after === null) socket.destroy()
      else if (after) socket.write(after)
    } else if (/^ehlo/i.test(line)) socket.write('250-fault.test\r\n250 STARTTLS\r\n')
    else if (/^starttls/i.test(line)) {
      upgraded = true
      socket.write(answer)
    } else socket.write('502 no\r\n')
  })
}

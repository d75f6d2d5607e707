import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import dns2 from 'dns2'

const { createDOHServer, Packet } = dns2

export type RecordType = 'A' | 'AAAA' | 'NS' | 'MX' | 'TXT' | 'CNAME'
/**
 * The records of each name, or a function that returns them: `A …`, `TXT …`, `MX …`, `CNAME …`, `RCODE n` or `HANG`.
 */
export type Zone = Record<string, string[] | ((type: RecordType) => string[])>

const TYPES: RecordType[] = ['A', 'AAAA', 'NS', 'MX', 'TXT', 'CNAME']

/** A record's value in the form of the library. TXT values are split into strings of 200 bytes, as for long keys. */
const DATA: Record<RecordType, (value: string) => object> = {
  A: (address) => ({ address }),
  AAAA: (address) => ({ address }),
  NS: (ns) => ({ ns }),
  MX: (exchange) => ({ exchange, priority: 10 }),
  TXT: (text) => ({ data: text.match(/.{1,200}/g) ?? [''] }),
  CNAME: (domain) => ({ domain }),
}

/**
 * A DNS resolver over plain HTTP on loopback (RFC 8484). It knows one zone, which may change while it runs, and follows
 * its CNAME records. A name outside the zone does not exist. `seen.asked` counts the questions.
 */
export async function startDoh(zone: Zone) {
  const seen = { asked: 0 }
  const server = createDOHServer({ ssl: false })
  server.on('request', (request, send) => {
    seen.asked += 1
    const [question] = request.questions
    const response = Packet.createResponseFromRequest(request)
    if (!question) return void send(response)
    const type = TYPES.find((each) => Packet.TYPE[each] === question.type) ?? 'A'
    for (let name = question.name, hops = 0; name !== '' && hops < 20; hops += 1) {
      const entry = zone[name.toLowerCase()]
      const lines = typeof entry === 'function' ? entry(type) : (entry ?? ['RCODE 3'])
      const owner = name
      name = ''
      for (const line of lines) {
        const [kind = ''] = line.split(' ', 1)
        const value = line.slice(kind.length + 1)
        if (kind === 'HANG') return
        if (kind === 'RCODE') response.header.rcode = Number(value)
        const record = { name: owner, class: Packet.CLASS.IN, ttl: 0 }
        if (kind === 'CNAME') {
          response.answers.push(new Packet.Resource({ ...record, type: Packet.TYPE.CNAME, domain: value }))
          if (type !== 'CNAME') name = value
        } else if (kind === type) {
          response.answers.push(new Packet.Resource({ ...record, type: question.type, ...DATA[type](value) }))
        }
      }
    }
    void send(response)
  })
  const listening = once(server, 'listening')
  server.listen(0, '127.0.0.1')
  await listening
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/dns-query`,
    zone,
    seen,
    stop: () => server.close(),
  }
}

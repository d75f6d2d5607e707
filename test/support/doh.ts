import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import dns2 from 'dns2'

const { createDOHServer, Packet } = dns2

export type AddressType = 'A' | 'AAAA'
/** `A …`, `AAAA …`, `CNAME …`, `RCODE n` or `HANG`: what a name has, or what it has when it is asked for. */
export type Zone = Record<string, string[] | ((type: AddressType) => string[])>

/**
 * A DNS resolver over plain HTTP on loopback (RFC 8484), which knows one zone and follows its aliases as resolvers do.
 * What the zone lacks does not exist. The zone may be changed while it runs; `asked` counts the questions.
 */
export async function startDoh(zone: Zone) {
  const seen = { asked: 0 }
  const server = createDOHServer({ ssl: false })
  server.on('request', (request, send) => {
    seen.asked += 1
    const [question] = request.questions
    const response = Packet.createResponseFromRequest(request)
    if (!question) return void send(response)
    const type: AddressType = question.type === Packet.TYPE.A ? 'A' : 'AAAA'
    for (let name = question.name, hops = 0; name !== '' && hops < 20; hops += 1) {
      const entry = zone[name.toLowerCase()]
      const lines = typeof entry === 'function' ? entry(type) : (entry ?? ['RCODE 3'])
      const owner = name
      name = ''
      for (const [kind = '', value = ''] of lines.map((line) => line.split(' '))) {
        if (kind === 'HANG') return
        if (kind === 'RCODE') response.header.rcode = Number(value)
        const record = { name: owner, class: Packet.CLASS.IN, ttl: 0 }
        if (kind === type)
          response.answers.push(new Packet.Resource({ ...record, type: question.type, address: value }))
        if (kind === 'CNAME') {
          response.answers.push(new Packet.Resource({ ...record, type: Packet.TYPE.CNAME, domain: value }))
          name = value
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

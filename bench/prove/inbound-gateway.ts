import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { authenticate } from 'mailauth'

/**
 * The program between the MTA and the Worker in `npm run prove -- inbound`. It reads one message from standard input. Like a
 * receiving mail server, it adds an Authentication-Results field, with the verdicts of mailauth. Then it passes the message to
 * `email()`. Arguments: the Worker's address, the envelope sender and recipient, the folder for the verdicts.
 */
const [worker = '', from = '', to = '', folder = '.'] = process.argv.slice(2)
const raw = (await text(process.stdin)).replace(/^From .*\r?\n/, '').replace(/\r?\n/g, '\r\n')

const ZONE: Record<string, string[][]> = {
  'TXT example.com': [['v=spf1 ip4:127.0.0.1 -all']],
  'TXT _dmarc.example.com': [['v=DMARC1; p=reject']],
}
const { headers, spf, dkim, dmarc } = await authenticate(raw, {
  ip: '127.0.0.1',
  helo: 'client.example.com',
  sender: from,
  mta: 'mx.moltpost.test',
  resolver: async (name: string, type: string) => {
    const found = ZONE[`${type} ${name}`]
    if (found) return found
    throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
  },
})
const dkimResult = dkim.results[0]?.status.result ?? 'none'
await writeFile(
  join(folder, 'verdicts.json'),
  JSON.stringify({
    spf: (spf ? spf.status.result : null) ?? 'none',
    dkim: dkimResult,
    dmarc: (dmarc ? dmarc.status.result : null) ?? 'none',
    from_authenticated: dmarc ? dmarc.status.result === 'pass' : false,
  }),
)
const query = new URLSearchParams({ from: from || '<>', to, format: 'json' })
const answer = await fetch(`${worker}/cdn-cgi/handler/email?${query}`, {
  method: 'POST',
  body: headers + raw,
})
const reply = await answer.text()
if (!answer.ok || /"rejected?(?:Reason)?":\s*"/.test(reply)) {
  console.error(reply)
  process.exit(1)
}

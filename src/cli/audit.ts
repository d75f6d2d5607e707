import { readFile } from 'node:fs/promises'
import { readKey, verifyLog } from './audit-log.ts'
import { connect } from './client.ts'
import { Failure, misuse } from './failure.ts'
import { show } from './output.ts'
import { example, type Root } from './root.ts'

export function audit(root: Root) {
  const audit = root.command('audit').description('Check audit logs')

  audit
    .command('verify')
    .description('Check that no entry of an audit log was changed, added or removed')
    .argument('<FILE>', 'file with the answer of GET /v1/compliance/audit-log?format=ndjson')
    .option(
      '--key <file>',
      'file with the public key: PEM, base64 or the answer of /v1/compliance/audit-key (default: ask the API)',
    )
    .addHelpText('after', example('molted audit verify audit-log.ndjson --key audit-key.pem'))
    .action(async (path, { key: keyPath }, command) => {
      const text = await contents(path)
      const given =
        keyPath === undefined
          ? JSON.stringify(await (await connect(command)).get('/v1/compliance/audit-key'))
          : await contents(keyPath)
      const key = readKey(given)
      if (key === null) throw misuse(`${keyPath ?? 'the API'} does not contain an Ed25519 public key`)
      const verdict = verifyLog(text, key)
      if (!verdict.ok) throw new Failure(1, `line ${verdict.line} of ${path}: ${verdict.why}`)
      const { entries, erased, tenantId, signedAt } = verdict
      show(command, { verified: true, entries, erased, tenantId, signedAt })
    })
}

async function contents(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw misuse(`${path} cannot be read: ${(error as Error).message}`)
  }
}

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Installs the packages of `bench/package.json`, unless they are there. Only some proofs need them, and `npm test` does not. */
export function installPackages() {
  if (existsSync(join(import.meta.dirname, 'node_modules/.package-lock.json'))) return
  console.error('Installing what this proof needs into bench/node_modules, once (about 70 MB) …')
  const { status } = spawnSync('npm', ['ci', '--prefix', import.meta.dirname, '--no-audit', '--no-fund'], {
    stdio: ['ignore', process.stderr.fd, 'inherit'],
  })
  if (status === 0) return
  console.error('npm ci --prefix bench failed, so nothing was proved.')
  process.exit(2)
}

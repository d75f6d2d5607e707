import { defineConfig } from 'vitest/config'
import { keepInMemory } from './test/support/memory-disk.ts'
import { trustTestAuthority } from './test/support/tls.ts'

keepInMemory()
// Miniflare reads the trusted authorities when it is imported, so the authority of the tests comes first.
trustTestAuthority()
const { cloudflareTest } = await import('@cloudflare/vitest-plugin')

/** What runs inside workerd, beside the real D1, objects and queues. */
const worker = ['test/contract/**', 'test/core/**', 'test/objects/**', 'test/queue/**', 'test/carriers/**']
/** What runs in Node, against programs: the dev command, the README, real servers. */
const node = ['test/dev/**', 'test/cli/**', 'test/smtp/**', 'test/browser/**', 'test/simulation/**']

const tests = (folders: string[]) => folders.map((folder) => `${folder}/*.test.ts`)

export default defineConfig({
  test: {
    globalSetup: ['test/support/peers.ts'],
    provide: { isThorough: process.env.THOROUGH === '1' },
    // Held against a published document each request goes a long way round.
    testTimeout: process.env.MAILMOLT_OPENAPI ? 600_000 : 60_000,
    // One more than the cores of the smallest machine: programs that start leave them idle.
    maxWorkers: 3,
    projects: [
      {
        extends: true,
        plugins: [
          cloudflareTest(({ inject }) => ({
            wrangler: { configPath: './wrangler.toml' },
            miniflare: {
              bindings: {
                EGRESS_ALLOW: new URL(String(inject<Record<string, string | number>>('peers').webhooks)).host,
                LOCAL: '1',
                AUTO_CLAIM: '1',
                OPERATOR_KEY: 'operator-of-the-tests-and-nobody-else',
                PEERS: inject<Record<string, string | number>>('peers'),
              },
            },
          })),
        ],
        test: {
          name: 'worker',
          include: tests(worker),
          setupFiles: ['test/support/own-log.ts', 'test/support/migrate.ts'],
          // Each test makes its own tenant, so files may follow each other in one worker, which starts but once.
          isolate: false,
        },
      },
      // Programs have to start first, and take their time where the machine is busy.
      { extends: true, test: { name: 'node', include: tests(node), testTimeout: 240_000, isolate: false } },
    ],
  },
})

import type { Env } from '../../env.ts'

/** The demo world's well-known names, as the published examples use them. */
export const DEMO = {
  tenantId: 'tenant_abc123',
  mailboxId: 'mbx_abc123',
  ownerEmail: 'owner@example.com',
}

/** The same at every start; DEMO_KEY overrides the first. They are public knowledge and open local development only. */
const AGENT_KEY = 'mm_live_DemoKeyForLocalDevelopmentOnlyDoNotDeployIt43KvlP'
export const DEMO_OWNER_KEY = 'mm_live_DemoKeyOfTheOwnerWhoApprovesDoNotDeployItXX1okXWo'

export function demoKey(env: Pick<Env, 'DEMO_KEY'>): string {
  return env.DEMO_KEY || AGENT_KEY
}

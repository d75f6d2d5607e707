import type { Env } from '../../env.ts'

/** The well-known names of the demo world. The published examples use them. */
export const DEMO = {
  tenantId: 'tenant_abc123',
  mailboxId: 'mbx_abc123',
  ownerEmail: 'owner@example.com',
}

/** The same at every start. DEMO_KEY replaces the first. They are public, and work only in local development. */
const AGENT_KEY = 'mm_live_DemoKeyForLocalDevelopmentOnlyDoNotDeployIt43KvlP'
export const DEMO_OWNER_KEY = 'mm_live_DemoKeyOfTheOwnerWhoApprovesDoNotDeployItXX1okXWo'

export function demoKey(env: Pick<Env, 'DEMO_KEY'>): string {
  return env.DEMO_KEY || AGENT_KEY
}

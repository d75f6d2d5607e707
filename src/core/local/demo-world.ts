import type { Env } from '../../env.ts'

/** The well-known names of the demo world. The published examples use them. */
export const DEMO = {
  tenantId: 'tenant_abc123',
  mailboxId: 'mbx_abc123',
  ownerEmail: 'owner@example.com',
}

/** The demo keys never change. The setting DEMO_KEY replaces the agent's key. Both are public and work only locally. */
const AGENT_KEY = 'mm_live_DemoKeyForLocalDevelopmentOnlyDoNotDeployIt43KvlP'
export const DEMO_OWNER_KEY = 'mm_live_DemoKeyOfTheOwnerWhoApprovesDoNotDeployItXX1okXWo'

export function demoKey(env: Pick<Env, 'DEMO_KEY'>): string {
  return env.DEMO_KEY || AGENT_KEY
}

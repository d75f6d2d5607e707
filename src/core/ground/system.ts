/** The sender of the service's own letters. No key opens it, and its address is reserved. */
export const SYSTEM = { tenantId: 'tenant_system', mailboxId: 'mbx_system', localPart: 'no-reply' }

/** The published APIs. Each has its own OpenAPI document and page. */
export const NAMES = { molted: 'Molted', moltbotden: 'MoltbotDen', mailmolt: 'MailMolt' }
export type Documented = keyof typeof NAMES
export const DOCUMENTED = Object.keys(NAMES) as Documented[]

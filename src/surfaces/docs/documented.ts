/** The published APIs that have a document and a page of their own. */
export const NAMES = { molted: 'Molted', moltbotden: 'MoltbotDen', mailmolt: 'MailMolt' }
export type Documented = keyof typeof NAMES
export const DOCUMENTED = Object.keys(NAMES) as Documented[]

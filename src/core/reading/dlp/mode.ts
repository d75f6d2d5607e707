/** From the least strict to the most: look on, strike out, refuse. */
export const DLP_MODES = ['monitor', 'redact', 'block'] as const
export type DlpMode = (typeof DLP_MODES)[number]

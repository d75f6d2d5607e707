import type { X509Certificate } from 'node:crypto'
import type { ReportingCarrier } from './event.ts'
import { readMailgun } from './mailgun.ts'
import { readPostmark } from './postmark.ts'
import type { EventSettings, Reach, Reader, Report, ReportRequest } from './report.ts'
import { readResend } from './resend.ts'
import { readSendgrid } from './sendgrid.ts'
import { readSes } from './ses.ts'

const READERS: Record<ReportingCarrier, Reader> = {
  ses: readSes,
  resend: readResend,
  postmark: readPostmark,
  sendgrid: readSendgrid,
  mailgun: readMailgun,
}

const REACH: Reach = {
  fetch: (url, init) => fetch(url, init),
  certificates: new Map<string, X509Certificate>(),
}

/**
 * Reads a carrier's report about mail. Nothing in it counts before it is proven to be the carrier's. Never throws. `reach` is
 * how the carrier is asked; by default the network.
 */
export async function readReport(
  carrier: ReportingCarrier,
  request: ReportRequest,
  settings: EventSettings,
  now: Date,
  reach: Reach = REACH,
): Promise<Report> {
  return await READERS[carrier](request, settings, now, reach)
}

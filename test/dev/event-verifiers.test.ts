import { once } from 'node:events'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import tls from 'node:tls'
import { parse } from 'node:url'
import { EventWebhook } from '@sendgrid/eventwebhook'
import MessageValidator from 'sns-validator'
import { Webhook } from 'svix'
import { afterEach, expect, test, vi } from 'vitest'
import type { ReportingCarrier } from '../../src/carriers/events/event.ts'
import { readReport } from '../../src/carriers/events/index.ts'
import {
  NOW,
  newCarriers,
  newReach,
  type Pages,
  SENDGRID_SIGNATURE,
  SENDGRID_TIMESTAMP,
  type Wire,
} from '../support/carrier-events.ts'
import type { Table } from '../support/carrier-events-forged.ts'
import { sendgridTable } from '../support/carrier-events-sendgrid.ts'
import { snsTable } from '../support/carrier-events-sns.ts'
import { svixTable } from '../support/carrier-events-svix.ts'
import { certificate } from '../support/tls.ts'

const carriers = await newCarriers()
const { settings } = carriers

afterEach(() => vi.useRealTimers())

/** Holds a vendor's verifier against ours, row by row: it takes what we take, and beyond that what its row says. */
async function compare(carrier: ReportingCarrier, table: Table, takes: (wire: Wire) => Promise<boolean>) {
  const rows = [...table.genuine.map((row) => ({ ...row, isGenuine: true })), ...table.forged]
  const surprises: string[] = []
  for (const row of rows) {
    const { headers, body } = row.wire
    const request = { headers: new Headers(headers), body: Buffer.from(body) }
    const report = await readReport(carrier, request, settings, NOW, newReach(table.pages))
    const isGenuine = 'isGenuine' in row
    if ((report.kind === 'events') !== isGenuine) surprises.push(`ours on ${row.name}: ${report.kind}`)
    const isTaken = await takes(row.wire)
    if (isTaken !== (isGenuine || row.libraryTakes !== undefined))
      surprises.push(`the library on ${row.name}: ${isTaken ? 'taken' : 'refused'}`)
  }
  expect(surprises).toEqual([])
  const checked = table.forged.filter(({ libraryTakes }) => libraryTakes === undefined).length
  return {
    taken: table.genuine.length,
    refusedByBoth: checked,
    refusedByUsOnly: table.forged.length - checked,
  }
}

const textOf = ({ body }: Wire) => Buffer.from(body).toString('utf8')

test('sns-validator accepts and refuses the same SNS messages as we do', async () => {
  const table = await snsTable(carriers)
  const stop = await serve(table.pages)
  const validator = new MessageValidator()
  const takes = (wire: Wire) =>
    new Promise<boolean>((resolve) => {
      try {
        validator.validate(textOf(wire), (error) => resolve(error === null))
      } catch {
        resolve(false)
      }
    })
  try {
    const figures = await compare('ses', table, takes)
    expect(figures.refusedByBoth).toBeGreaterThanOrEqual(30)
    console.warn('sns-validator:', JSON.stringify(figures))
  } finally {
    await stop()
  }
})

/** Answers for every https address, as these pages say. */
async function serve(pages: Pages) {
  const byPath = new Map([...pages].map(([url, page]) => [`${parse(url).host}${parse(url).path}`, page]))
  const server = https.createServer(certificate('loopback'), ({ headers, url }, response) => {
    const page = byPath.get(`${headers.host}${url}`) ?? { status: 404, body: '' }
    response.writeHead(page.status, page.location ? { location: page.location } : {}).end(page.body)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const { globalAgent } = https
  https.globalAgent = Object.assign(new https.Agent(), {
    createConnection: () => tls.connect({ host: '127.0.0.1', port, servername: 'localhost' }),
  })
  return async () => {
    https.globalAgent = globalAgent
    server.closeAllConnections()
    server.close()
  }
}

test('svix accepts and refuses the same Resend reports as we do', async () => {
  vi.useFakeTimers({ now: NOW, toFake: ['Date'] })
  const webhook = new Webhook(settings.RESEND_WEBHOOK_SECRET)
  const figures = await compare('resend', svixTable(), async (wire) => {
    try {
      webhook.verify(textOf(wire), wire.headers)
      return true
    } catch {
      return false
    }
  })
  expect(figures.refusedByBoth).toBeGreaterThanOrEqual(30)
  console.warn('svix:', JSON.stringify(figures))
})

test('@sendgrid/eventwebhook accepts and refuses the same SendGrid batches as we do', async () => {
  const webhook = new EventWebhook()
  const key = webhook.convertPublicKeyToECDSA(settings.SENDGRID_WEBHOOK_KEY)
  const figures = await compare('sendgrid', await sendgridTable(carriers), async ({ headers, body }) => {
    const [signature = '', timestamp = ''] = [headers[SENDGRID_SIGNATURE], headers[SENDGRID_TIMESTAMP]]
    try {
      return webhook.verifySignature(key, Buffer.from(body), signature, timestamp)
    } catch {
      return false
    }
  })
  expect(figures.refusedByBoth).toBeGreaterThanOrEqual(20)
  console.warn('@sendgrid/eventwebhook:', JSON.stringify(figures))
})

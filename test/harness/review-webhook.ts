/** A webhook that answers reviews as a test says, on a port the system gives, with a kubeconfig that names it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type IncomingMessage, type RequestListener, createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KeyPair } from '../../src/http/certificates.ts'

export interface Review {
  readonly apiVersion: string
  readonly kind: string
  readonly spec: Readonly<Record<string, unknown>>
}
export interface ReviewWebhook extends AsyncDisposable {
  readonly url: string
  /** Names this webhook; a test may write another one there. */
  readonly kubeconfig: string
  /** What was asked, in order. */
  readonly asked: Review[]
  /** @returns the status to answer with; a number: that HTTP status instead. */
  answer: (review: Review) => object | number
}

/** @param tls what it shows, and what the kubeconfig trusts. */
export async function startReviewWebhook(
  answer: ReviewWebhook['answer'],
  tls?: { pair: KeyPair; ca: string },
): Promise<ReviewWebhook> {
  const folder = mkdtempSync(join(tmpdir(), 'portico-webhook-'))
  const asked: Review[] = []
  const webhook = { answer }
  const listener: RequestListener = (req, res) => {
    void readBody(req).then((text) => {
      const review = JSON.parse(text) as Review
      asked.push(review)
      const status = webhook.answer(review)
      res.writeHead(typeof status === 'number' ? status : 201, { 'content-type': 'application/json' })
      res.end(JSON.stringify({ apiVersion: review.apiVersion, kind: review.kind, status }))
    })
  }
  const server = tls ? createTlsServer(tls.pair, listener) : createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const url = `http${tls ? 's' : ''}://127.0.0.1:${port}/review`
  const kubeconfig = join(folder, 'kubeconfig')
  writeFileSync(kubeconfig, webhookKubeconfig(url, tls?.ca))
  return Object.assign(webhook, {
    url,
    kubeconfig,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      rmSync(folder, { recursive: true, force: true })
    },
  })
}

export function webhookKubeconfig(url: string, ca?: string): string {
  const trust = ca === undefined ? {} : { 'certificate-authority-data': Buffer.from(ca).toString('base64') }
  return JSON.stringify({ clusters: [{ name: 'webhook', cluster: { server: url, ...trust } }] })
}

async function readBody(req: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString()
}

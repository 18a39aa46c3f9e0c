import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from '../../src/client/client.ts'
import { Informers } from '../../src/client/informers.ts'
import { Reflector } from '../../src/client/reflector.ts'
import type { Transport } from '../../src/client/transport.ts'
import { WorkQueueMetrics } from '../../src/client/work-queue-metrics.ts'
import { WorkQueue } from '../../src/client/work-queue.ts'
import { makeCA } from '../../src/http/certificates.ts'
import { FakeClock } from '../../src/lib/fake-clock.ts'
import { noopLogger } from '../../src/observability/logger.ts'
import { noopMetrics } from '../../src/observability/metrics.ts'
import { MetricsRegistry } from '../../src/observability/metrics-registry.ts'
import { AuthenticationInfoController, authenticationInfoInformer } from '../../src/controllers/authentication-info.ts'

const DAY_MS = 24 * 3600 * 1000
const YEAR_2026 = Date.UTC(2026, 0, 1)
const ca = (commonName: string, days: number): string =>
  makeCA({ commonName, notBeforeMs: YEAR_2026 - DAY_MS, notAfterMs: YEAR_2026 + days * DAY_MS }).cert
const [OURS, OTHER, EXPIRED] = [ca('ours', 10), ca('other replica', 10), ca('old', -0.5)]

/** @returns what the controller stores over `data`; undefined: it leaves it as it is. */
async function stored(data: Record<string, string>): Promise<Record<string, string> | undefined> {
  let written: Record<string, string> | undefined
  const object = {
    metadata: { name: 'extension-apiserver-authentication', namespace: 'kube-system', resourceVersion: '1' },
    data,
  }
  const transport: Transport = async ({ method, body }) => {
    if (method === 'PUT') written = (JSON.parse(Buffer.from(body!).toString()) as typeof object).data
    const answer = method === 'PUT' ? object : { metadata: { resourceVersion: '1' }, items: [object] }
    return { status: 200, headers: {}, body: bytesOf(JSON.stringify(answer)) }
  }
  const clock = new FakeClock(YEAR_2026)
  const client = new Client(transport)
  await using informers = new Informers({
    sourceOf: (resource, range) => new Reflector({ server: client.resource(resource), range, clock, log: noopLogger }),
    log: noopLogger,
    metrics: new MetricsRegistry(),
  })
  const informer = authenticationInfoInformer(informers)
  const controller = new AuthenticationInfoController({
    client,
    informer,
    queue: new WorkQueue({ clock, metrics: new WorkQueueMetrics(noopMetrics).bind('info') }),
    clock,
    info: () => ({
      clientCA: OURS,
      frontProxyCA: OURS,
      allowedNames: ['ours'],
      usernameHeaders: ['X-Remote-User'],
      uidHeaders: [],
      groupHeaders: [],
      extraHeaderPrefixes: [],
    }),
  })
  informer.start()
  await informer.synced
  await controller.reconcile()
  return written
}

test('authentication info: what another replica published stays, what expired goes, and then nobody writes again', async () => {
  const first = await stored({
    'client-ca-file': OTHER + EXPIRED,
    'requestheader-client-ca-file': 'garbage',
    'requestheader-allowed-names': '["theirs"]',
    'requestheader-username-headers': 'garbage',
    'requestheader-uid-headers': '[]',
    more: 'kept',
  })
  const certificates = first!['client-ca-file']!.match(/BEGIN CERTIFICATE/g)
  assert.equal(certificates?.length, 2)
  assert.ok(first!['client-ca-file']!.includes(OTHER.trim()) && first!['client-ca-file']!.includes(OURS.trim()))
  assert.equal(first!['requestheader-client-ca-file'], OURS)
  assert.equal(first!['requestheader-allowed-names'], '["theirs","ours"]')
  assert.equal(first!['requestheader-username-headers'], '["X-Remote-User"]')
  assert.equal(first!['more'], 'kept')
  assert.equal(await stored(first!), undefined)
  const asTheOtherWroteIt = { ...first, 'client-ca-file': OTHER + OURS }
  assert.equal(await stored(asTheOtherWroteIt), undefined)
})

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../api/meta.ts'
import { Client } from '../client/client.ts'
import type { Transport } from '../client/transport.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { noopLogger } from '../observability/logger.ts'
import { keepFlowControlObjects } from './flow-control-objects.ts'

type FlowControlObject = KubeObject & {
  spec: { exempt?: object; limited?: { nominalConcurrencyShares?: number } }
  status?: { conditions?: { type: string; status: string }[] }
}

test('flow control objects: deleted ones come back, changed ones are put right, the shares of exempt are left alone', async () => {
  const stored = new Map<string, FlowControlObject>()
  const transport: Transport = async ({ method, path, body }) => {
    const object = body && (JSON.parse(Buffer.from(body).toString()) as FlowControlObject)
    const collection = path.split('?')[0]!.replace(/\/status$/, '')
    const key = method === 'POST' ? `${collection}/${object!.metadata.name}` : collection
    if (object) stored.set(key, object)
    const found = stored.get(key)
    const answer = found ?? { kind: 'Status', code: 404 }
    return { status: found ? 200 : 404, headers: {}, body: bytesOf(JSON.stringify(answer)) }
  }
  const clock = new FakeClock()
  const stop = new AbortController()
  await keepFlowControlObjects({ client: new Client(transport), clock, log: noopLogger }, stop.signal)
  const root = '/apis/flowcontrol.apiserver.k8s.io/v1'
  assert.deepEqual([...stored.keys()].sort(), [
    `${root}/flowschemas/catch-all`,
    `${root}/flowschemas/exempt`,
    `${root}/prioritylevelconfigurations/catch-all`,
    `${root}/prioritylevelconfigurations/exempt`,
  ])
  stored.delete(`${root}/flowschemas/exempt`)
  const exempt = { nominalConcurrencyShares: 20, lendablePercent: 50 }
  stored.get(`${root}/prioritylevelconfigurations/exempt`)!.spec.exempt = exempt
  stored.get(`${root}/prioritylevelconfigurations/catch-all`)!.spec.limited = { nominalConcurrencyShares: 500 }
  clock.advance(60_000)
  for (let i = 0; i < 100; i++) await nextTurn()
  assert.ok(stored.has(`${root}/flowschemas/exempt`))
  assert.deepEqual(stored.get(`${root}/prioritylevelconfigurations/exempt`)!.spec.exempt, exempt)
  const { limited } = stored.get(`${root}/prioritylevelconfigurations/catch-all`)!.spec
  assert.equal(limited?.nominalConcurrencyShares, 5)
  const { conditions } = stored.get(`${root}/flowschemas/catch-all`)!.status!
  assert.deepEqual([conditions![0]!.type, conditions![0]!.status], ['Dangling', 'False'])
  stop.abort()
})

async function* bytesOf(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

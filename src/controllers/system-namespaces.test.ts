import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { Client } from '../client/client.ts'
import type { Transport } from '../client/transport.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { noopLogger } from '../observability/logger.ts'
import { SYSTEM_NAMESPACES, keepSystemNamespaces } from './system-namespaces.ts'

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await nextTurn()
}

test('system namespaces: a storage that is away is asked again; looking every minute leaves nothing behind', async () => {
  const made = new Set<string>()
  let isAway = true
  const transport: Transport = async ({ method, path, body }) => {
    const name = body ? (JSON.parse(Buffer.from(body).toString()) as { metadata: { name: string } }).metadata.name : ''
    if (!isAway && method === 'POST') made.add(name)
    const status = isAway ? 503 : method === 'POST' ? 201 : made.has(path.split('/').at(-1)!.split('?')[0]!) ? 200 : 404
    return { status, headers: {}, body: emptyStatus() }
  }
  const clock = new FakeClock()
  const stop = new AbortController()
  const done = keepSystemNamespaces({ client: new Client(transport), clock, log: noopLogger }, stop.signal)
  await turns()
  isAway = false
  clock.advance(1000)
  await done
  assert.deepEqual([...made].sort(), [...SYSTEM_NAMESPACES].sort())
  for (let minute = 0; minute < 20; minute++) {
    made.delete('default')
    clock.advance(60_000)
    await turns()
    assert.ok(made.has('default'))
  }
  assert.ok(getEventListeners(stop.signal, 'abort').length <= 2)
  stop.abort()
})

async function* emptyStatus(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('{"kind":"Status"}')
}

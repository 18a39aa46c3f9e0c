import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../../lib/fake-clock.ts'
import { OpenApiThread } from './openapi-thread.ts'
import { openApiWork } from './openapi-work.ts'

const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
const parsed = (document: { bytes: Uint8Array } | undefined): unknown =>
  JSON.parse(Buffer.from(document!.bytes).toString('utf8'))
const v2 = (group: string): object => ({
  swagger: '2.0',
  paths: { [`/apis/${group}/v1/things`]: { get: {} }, '/api/v1/secrets': { get: {} } },
  definitions: {},
})

test('the thread for OpenAPI: works as the functions do, in order, and ends when it is idle', async () => {
  const clock = new FakeClock()
  await using thread = new OpenApiThread(clock)
  assert.equal(thread.isRunning, false)
  const parts = ['a.io', 'b.io'].map((group) => ({
    key: `apis/${group}/v1`,
    parts: [{ body: bytes(v2(group)), form: 'v2' as const }],
  }))
  const [a, b, v3] = await Promise.all([
    thread.run('v2', parts[0]!),
    thread.run('v2', parts[1]!),
    thread.run('v3', parts[0]!),
  ])
  const merged = await thread.run('merged', [a!.bytes, b!.bytes])
  assert.deepEqual(Object.keys((parsed(merged) as { paths: object }).paths), [
    '/apis/a.io/v1/things',
    '/apis/b.io/v1/things',
  ])
  assert.equal(v3?.etag, openApiWork.v3(parts[0]!)?.etag)
  const protobuf = await thread.run('protobuf', { bytes: merged!.bytes, version: 2 })
  // Nothing large is copied on its way.
  for (const bytes of [a!.bytes, v3!.bytes, merged!.bytes, protobuf])
    assert.ok(bytes.buffer instanceof SharedArrayBuffer)
  assert.equal(thread.isRunning, true)
  clock.advance(60_000)
  assert.equal(thread.isRunning, false)
  assert.deepEqual(parsed(await thread.run('whole', bytes({ again: 1 }))), { again: 1 })
})

test('the thread for OpenAPI: a document that cannot be read fails its own work alone', async () => {
  await using thread = new OpenApiThread(new FakeClock())
  const broken = thread.run('whole', Buffer.from('{"never":'))
  const deep = thread.run('whole', Buffer.from('['.repeat(1000)))
  const fine = thread.run('whole', bytes({ fine: true }))
  await assert.rejects(broken, /JSON/)
  await assert.rejects(deep, /nested deeper/)
  assert.deepEqual(parsed(await fine), { fine: true })
})

test('the thread for OpenAPI: what it was doing when it is stopped fails', async () => {
  const thread = new OpenApiThread(new FakeClock())
  const running = assert.rejects(thread.run('whole', bytes({})), /the server stops/)
  await thread[Symbol.asyncDispose]()
  await running
})

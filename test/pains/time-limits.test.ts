/** Time limits by verb, resource and path, each to the millisecond of the server's clock. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeldClock, passLively } from '../harness/held-clock.ts'
import { policyOf, RAW_PATH, type RawBackend, registerRaw, startRawBackend } from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { untilTurn } from '../harness/until.ts'

const path = `${RAW_PATH}/things`
const rules = [
  { verbs: ['create'], firstByte: '300ms' },
  { verbs: ['watch'], idle: '300ms' },
  { resources: ['slows'], firstByte: '600ms' },
  { resources: ['things/stream'], longRunning: true },
  { resources: ['things/long'], total: '700ms' },
  { paths: [`${RAW_PATH}/things/exact`], firstByte: '200ms' },
  { paths: [`${RAW_PATH}/things/quick`], total: '450ms' },
  { paths: [`${RAW_PATH}/prefix/*`], firstByte: '400ms' },
  { verbs: ['list'], resources: ['things'], firstByte: '500ms' },
  { verbs: ['delete'], total: '350ms' },
  { verbs: ['get'], resources: ['pauses'], idle: '250ms' },
]

interface Row {
  readonly name: string
  readonly method?: string
  readonly path: string
  readonly body?: string
  readonly afterMs: number
  /** It ends within an answer that began. */
  readonly cut?: boolean
}
const rows: readonly Row[] = [
  { name: 'first byte by verb', method: 'POST', path, body: '{}', afterMs: 300 },
  { name: 'first byte by resource', path: `${RAW_PATH}/slows`, afterMs: 600 },
  { name: 'first byte by path', path: `${path}/exact`, afterMs: 200 },
  { name: 'total by path', path: `${path}/quick`, afterMs: 450 },
  { name: 'first byte by prefix', path: `${RAW_PATH}/prefix/x`, afterMs: 400 },
  { name: 'first byte by verb and resource', path, afterMs: 500 },
  { name: 'total by subresource', path: `${path}/a/long`, afterMs: 700 },
  { name: 'total by verb', method: 'DELETE', path: `${path}/a`, afterMs: 350 },
  { name: 'general, where no rule matches', path: `${path}/other`, afterMs: 900 },
  { name: 'idle in an answer, by resource', path: `${RAW_PATH}/pauses/a`, afterMs: 250, cut: true },
  { name: 'idle in a watch', path: `${path}?watch=1`, afterMs: 300, cut: true },
]

/** Of the watch and of answers that pause: the first bytes are here, and the clock starts anew. */
const FIRST = '{"type":"ADDED"}\n'
const LONG_MS = 30 * 60_000

const clock = new HeldClock()
let portico: TestServer
let raw: RawBackend
let endStream: (() => void) | undefined
test.before(async () => {
  portico = await startTestServer(['--request-timeout=60s'], { clock })
  raw = await startRawBackend(portico, {
    handler: ({ url }, response) => {
      if (url.includes('pauses') || url.includes('watch=1')) response.write(FIRST)
      if (!url.endsWith('/stream')) return
      response.write('[')
      endStream = () => response.end(']')
    },
  })
  await registerRaw(portico, policyOf([raw], { timeouts: { firstByte: '900ms', rules } }))
  clock.hold()
})
test.after(async () => {
  await portico.stop()
  await raw.close()
})

for (const { name, method = 'GET', path: target, body, afterMs, cut = false } of rows) {
  test(`${name}: after ${afterMs} ms, not before`, async () => {
    const asked = raw.seen.length
    let [done, seen] = [false, '']
    const answer = (async () => {
      if (!cut) return (await portico.admin.request(method, target, body === undefined ? {} : { body })).status
      const stream = await portico.admin.stream(target)
      for await (const chunk of stream.body) seen += String(chunk)
      return stream.statusCode
    })().finally(() => (done = true))
    const outcome = answer.catch((e: Error) => e)
    await untilTurn('it is under way', () => raw.seen.length > asked && (!cut || seen === FIRST))
    clock.advance(afterMs - 1)
    for (let i = 0; i < 3; i++) assert.equal((await portico.admin.get('/livez')).status, 200)
    assert.equal(done, false, 'too early')
    clock.advance(1)
    const ended = await outcome
    if (cut) assert.ok(ended instanceof Error, String(ended))
    else assert.ok(ended === 503 || ended === 504, String(ended))
  })
}

test('a custom subresource that is said to run long is still there after half an hour', async () => {
  const { body, statusCode } = await portico.admin.stream(`${path}/a/stream`)
  assert.equal(statusCode, 200)
  let text = ''
  const whole = (async () => {
    for await (const chunk of body) text += String(chunk)
  })()
  await untilTurn('it began', () => text === '[')
  await passLively(portico, clock, LONG_MS, { stepMs: 2_000 })
  assert.equal(text, '[')
  endStream!()
  await whole
  assert.equal(text, '[]')
})

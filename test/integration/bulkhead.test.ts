/** Each limit of a bulkhead: refused at once, with when to come back and which limit it was; others are not concerned. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bulkhead } from '../../src/api/backend-policy.ts'
import type { Answer } from '../harness/http-client.ts'
import {
  answerText,
  putPolicy,
  RAW_PATH,
  RAW_TLS,
  type RawBackend,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

const THINGS = `${RAW_PATH}/things`
const MOST_MS = 50
const policyOf = ({ address, port }: RawBackend, bulkhead: Bulkhead) => ({
  backends: [{ name: 'default', endpoints: [{ address, port }], tls: RAW_TLS }],
  bulkhead,
})
interface Row {
  readonly limit: string
  readonly bulkhead: Bulkhead
  /** Uses it up. */
  readonly fill: (portico: TestServer, raw: RawBackend) => Promise<void>
  readonly path: string
}
const never = new AbortController().signal
async function open(portico: TestServer, raw: RawBackend, path: string): Promise<void> {
  const before = raw.seen.length
  const { body } = await portico.admin.stream(path, { signal: never })
  body.on('error', () => {})
  assert.equal(raw.seen.length, before + 1)
}
const rows: readonly Row[] = [
  {
    limit: 'watches',
    bulkhead: { maxWatches: 2 },
    fill: async (portico, raw) => {
      for (let i = 0; i < 2; i++) await open(portico, raw, `${THINGS}?watch=1`)
    },
    path: `${THINGS}?watch=1`,
  },
  {
    limit: 'in-flight',
    bulkhead: { maxInFlight: 2 },
    fill: async (portico, raw) => {
      for (let i = 0; i < 2; i++) await open(portico, raw, THINGS)
    },
    path: THINGS,
  },
  {
    limit: 'rate',
    bulkhead: { requestsPerSecond: 1, burst: 3 },
    fill: async (portico, raw) => {
      raw.handler = answerText('{}')
      for (let i = 0; i < 3; i++) assert.equal((await portico.admin.get(THINGS)).status, 200)
    },
    path: THINGS,
  },
  {
    limit: 'rate',
    bulkhead: { requestsPerSecond: 1, burst: 1 },
    fill: async (portico, raw) => open(portico, raw, `${THINGS}?watch=1`),
    path: `${THINGS}?watch=1`,
  },
]
const phaseOf = (answer: Answer): string | undefined =>
  answer
    .json<{ details: { causes: { field?: string; message: string }[] } }>()
    .details.causes.find((c) => c.field === 'phase')?.message

for (const { limit, bulkhead, fill, path } of rows) {
  test(`bulkhead: over ${JSON.stringify(bulkhead)} the answer is 429 at once`, async () => {
    await using portico = await startTestServer()
    await using raw = await startRawBackend(portico, {
      handler: (_request, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.write('{')
      },
    })
    await registerRaw(portico, policyOf(raw, bulkhead))
    await fill(portico, raw)
    const before = raw.seen.length
    let leastMs = Infinity
    for (let i = 0; i < 2; i++) {
      const startMs = performance.now()
      const refused = await portico.admin.get(path)
      leastMs = Math.min(leastMs, performance.now() - startMs)
      const { reason } = refused.json<{ reason: string }>()
      assert.deepEqual([refused.status, reason, phaseOf(refused)], [429, 'TooManyRequests', limit])
      assert.ok(Number(refused.headers['retry-after']) >= 1)
    }
    assert.ok(leastMs < MOST_MS, `${leastMs} ms`)
    assert.equal(raw.seen.length, before, 'the backend hears nothing of it')
    assert.equal((await portico.admin.get('/api/v1/namespaces')).status, 200)
    const metrics = (await portico.admin.get('/metrics')).text
    assert.match(
      metrics,
      new RegExp(`portico_proxy_rejected_total\\{backend="v1.raw.example.com",reason="${limit}"\\} 2`),
    )
  })
}

test('bulkhead: another limit holds for what is under way already', async () => {
  await using portico = await startTestServer()
  await using raw = await startRawBackend(portico, {
    handler: (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('{')
    },
  })
  await registerRaw(portico, policyOf(raw, { maxWatches: 5 }))
  for (let i = 0; i < 3; i++) await open(portico, raw, `${THINGS}?watch=1`)
  await putPolicy(portico, policyOf(raw, { maxWatches: 3 }))
  const deadline = performance.now() + 10_000
  for (;;) {
    assert.ok(performance.now() < deadline, 'the new limit is not in force')
    const { statusCode, body } = await portico.admin.stream(`${THINGS}?watch=1`)
    body.on('error', () => {})
    body.destroy()
    if (statusCode === 429) return
  }
})

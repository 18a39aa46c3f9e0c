/** The end of a server, step by step, as its clients see it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, connect } from 'node:http2'
import { test } from 'node:test'
import type { Readable } from 'node:stream'
import { request as httpsRequest } from 'node:https'
import { httpClient } from '../harness/http-client.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

const CONFIGMAPS = '/api/v1/namespaces/default/configmaps'

function session(portico: TestServer): ClientHttp2Session {
  const { cert, key } = portico.pki.admin()
  return connect(portico.url, { ca: portico.pki.ca().cert, cert, key })
}
async function untilEnded(body: Readable): Promise<void> {
  for await (const _chunk of body) {
    // Only its end matters.
  }
}
/** Asks again until it is so; fails after 10 s. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it did not come to be so')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

test('during the delay it is not ready, but alive and serving', async () => {
  await using portico = await startTestServer(['--shutdown-delay-duration=1s'])
  const stopping = portico.server.stop()
  const ready = await portico.anonymous.get('/readyz')
  assert.equal(ready.status, 500)
  assert.match(ready.text, /^\[-\]shutdown failed: reason withheld$/m)
  assert.equal((await portico.anonymous.get('/livez')).text, 'ok')
  assert.equal((await portico.anonymous.get('/healthz')).text, 'ok')
  assert.equal((await portico.admin.get(CONFIGMAPS)).status, 200)
  assert.equal((await portico.admin.post(CONFIGMAPS, { metadata: { name: 'late' } })).status, 201)
  await stopping
})

test('then new requests are refused, what is under way finishes, watches end over the grace, it closes', async () => {
  const graceMs = 1500
  await using portico = await startTestServer([`--shutdown-watch-termination-grace-period=${graceMs}ms`])
  const watches = await Promise.all(Array.from({ length: 3 }, () => portico.admin.stream(`${CONFIGMAPS}?watch=1`)))
  // A request under way: its body is not all there yet.
  const { cert, key } = portico.pki.admin()
  const slow = httpsRequest(`${portico.url}${CONFIGMAPS}`, {
    method: 'POST',
    ca: portico.pki.ca().cert,
    cert,
    key,
    headers: { 'content-type': 'application/json' },
  })
  const answered = once(slow, 'response')
  slow.write('{"metadata":')
  const opened = session(portico)
  await once(opened, 'connect')
  // One that is known to the server: its first answer has come.
  const before = opened.request({ ':path': '/livez' })
  await once(before, 'response')
  before.resume()
  // An answer on a connection made later: the slow request, sent before, has been read by then.
  await portico.anonymous.get('/livez')
  const goaway = once(opened, 'goaway')

  const startMs = performance.now()
  const ends = watches.map(async ({ body }) => {
    await untilEnded(body)
    return performance.now() - startMs
  })
  const stopping = portico.server.stop()
  await goaway
  const fresh = httpClient(portico.url, { ca: portico.pki.ca().cert, cert, key })
  await until(async () => (await fresh.get(CONFIGMAPS)).status === 429)
  const refused = await fresh.get(CONFIGMAPS)
  assert.equal(refused.headers['retry-after'], '5')
  assert.equal(refused.headers['connection'], 'close')
  assert.equal(refused.text, 'The apiserver is shutting down, please try again later.\n')
  assert.equal((await fresh.get('/livez')).status, 200)
  assert.equal((await fresh.get('/readyz')).status, 500)

  const [first, second, third] = (await Promise.all(ends)).sort((a, b) => a - b)
  assert.ok(first! < graceMs / 3, `the first watch ends at once, not after ${first} ms`)
  assert.ok(second! > graceMs / 3 - 50 && second! < third!, `${first} ${second} ${third}`)
  assert.ok(third! > (graceMs * 2) / 3 - 50 && third! < graceMs + 500, `the last watch ended after ${third} ms`)

  slow.end('{"name":"slow"}}')
  const [answer] = (await answered) as [import('node:http').IncomingMessage]
  assert.equal(answer.statusCode, 201)
  assert.equal(answer.headers.connection, 'close')
  answer.resume()
  await stopping
  await assert.rejects(fresh.get('/livez'), /ECONNREFUSED/)
  await fresh.close()
  opened.destroy()
})

test('a server without clients stops at once', async () => {
  await using portico = await startTestServer(['--shutdown-watch-termination-grace-period=1h'])
  const startMs = performance.now()
  await portico.server.stop()
  assert.ok(performance.now() - startMs < 3000)
})

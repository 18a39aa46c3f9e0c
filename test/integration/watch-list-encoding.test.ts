/** Streamed lists of backends that compress what they send: looked into all the same, until they are trusted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { constants, createGzip, gunzipSync } from 'node:zlib'
import { RAW_PATH, RAW_TLS, type RawHandler, registerRaw, startRawBackend } from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

const STREAMED = `${RAW_PATH}/things?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`
const ADDED = '{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n'
const END = '{"type":"BOOKMARK","object":{"metadata":{"annotations":{"k8s.io/initial-events-end":"true"}}}}\n'
const GZIP = { headers: { 'accept-encoding': 'gzip' } }

/** Compresses for whoever takes it, or always. @param o.ends whether the stream ends by itself. */
function compressing(events: string, o: { ends: boolean; always?: boolean }): RawHandler {
  const { ends, always = false } = o
  return ({ headers }, response) => {
    const gzip = always || String(headers['accept-encoding'] ?? '').includes('gzip')
    response.writeHead(200, { 'content-type': 'application/json', ...(gzip ? { 'content-encoding': 'gzip' } : {}) })
    const out = gzip ? createGzip() : response
    if (out !== response) out.pipe(response)
    if (ends) return void out.end(events)
    out.write(events)
    if ('flush' in out) out.flush()
  }
}
async function withBackend(handler: RawHandler, run: (portico: TestServer) => Promise<void>): Promise<void> {
  await using portico = await startTestServer(['--watchlist-bookmark-timeout=300ms'])
  await using raw = await startRawBackend(portico, { handler })
  const { address, port } = raw
  await registerRaw(portico, { backends: [{ name: 'default', endpoints: [{ address, port }], tls: RAW_TLS }] })
  await run(portico)
}

test('a backend that compresses and never ends the initial events is found out', () =>
  withBackend(compressing(ADDED, { ends: false }), async (portico) => {
    const ended = await portico.admin.get(STREAMED, { ...GZIP, signal: AbortSignal.timeout(10_000) })
    assert.equal(ended.headers['content-encoding'], undefined)
    assert.match(ended.text, /"type":"ADDED"[^]*"type":"ERROR"/)
    assert.equal((await portico.admin.get(STREAMED, GZIP)).status, 422)
  }))

test('a backend that compresses and ends them is trusted, and then left to compress', () =>
  withBackend(compressing(ADDED + END, { ends: true }), async (portico) => {
    const first = await portico.admin.get(STREAMED, GZIP)
    assert.deepEqual([first.headers['content-encoding'], first.text], [undefined, ADDED + END])
    const second = await portico.admin.get(STREAMED, GZIP)
    assert.equal(second.headers['content-encoding'], 'gzip')
    assert.equal(gunzipSync(second.bytes).toString(), ADDED + END)
  }))

test('a watch that nothing is learned from is asked for as the client asks', () =>
  withBackend(compressing(ADDED, { ends: true }), async (portico) => {
    const plain = await portico.admin.get(`${RAW_PATH}/things?watch=1`, GZIP)
    assert.equal(plain.headers['content-encoding'], 'gzip')
  }))

test('one that compresses although it must not, and never ends the initial events, is found out', () =>
  withBackend(compressing(ADDED, { ends: false, always: true }), async (portico) => {
    await assert.rejects(portico.admin.get(STREAMED, { ...GZIP, signal: AbortSignal.timeout(10_000) }), {
      name: 'SocketError',
    })
    assert.equal((await portico.admin.get(STREAMED, GZIP)).status, 422)
  }))

test('one that compresses although it must not, and ends them, is trusted, and passes byte for byte', () =>
  withBackend(compressing(ADDED + END, { ends: false, always: true }), async (portico) => {
    const { body } = await portico.admin.stream(STREAMED, GZIP)
    body.on('error', () => {})
    const seen: Buffer[] = []
    body.on('data', (chunk: Buffer) => seen.push(chunk))
    // Longer than a silence may take.
    await setTimeout(600)
    assert.equal(gunzipSync(Buffer.concat(seen), { finishFlush: constants.Z_SYNC_FLUSH }).toString(), ADDED + END)
    assert.equal(body.destroyed, false)
    body.destroy()
  }))

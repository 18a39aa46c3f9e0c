/** This process's own requests, to real servers on loopback. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { type KeyPair, makeCA, makeCertificate } from '../../http/certificates.ts'
import { systemClock } from '../../lib/clock.ts'
import { Deferred } from '../../lib/deferred.ts'
import { noopLogger } from '../../observability/logger.ts'
import { MISSING_SAN, TlsContexts } from '../upstream-tls.ts'
import { Upstreams } from '../upstreams.ts'
import { UpstreamError, type UpstreamPhase } from '../upstream.ts'
import { type DnsLookup, sourceOf } from './endpoint-source.ts'
import { type RemoteAccess, RemoteServer } from './remote-server.ts'
import { Target } from './target.ts'
import { type TransportOptions, transportOver } from './transport.ts'

const validity = { notBeforeMs: Date.now() - 86_400_000, notAfterMs: Date.now() + 86_400_000 }
const ca = makeCA({ commonName: 'ca', ...validity })
const otherCA = makeCA({ commonName: 'other ca', ...validity })
const serving = makeCertificate({ commonName: 'x', names: ['127.0.0.1'], ...validity }, ca)
const limited = { timeout: 20_000 }
const clock = systemClock

type Transport = ReturnType<typeof transportOver>
type Listener = (req: Http2ServerRequest, res: Http2ServerResponse) => void
interface TestServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Connections so far. */
  readonly connections: () => number
  readonly setPair: (pair: KeyPair) => void
}
async function startServer(listener: Listener, o: { http1Only?: boolean; pair?: KeyPair } = {}): Promise<TestServer> {
  const options = { ...(o.pair ?? serving), ca: ca.cert, requestCert: true, rejectUnauthorized: false }
  const server = o.http1Only
    ? createHttpsServer(options, listener as unknown as RequestListener)
    : createSecureServer(options, listener)
  const sockets = new Set<Socket>()
  let count = 0
  server.on('connection', (socket: Socket) => {
    count++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: `https://127.0.0.1:${port}`,
    port,
    connections: () => count,
    setPair: (pair) => server.setSecureContext({ ...pair, ca: ca.cert }),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
const accessTo = (server: string, o: Partial<RemoteAccess> = {}): RemoteAccess => ({ server, ca: ca.cert, ...o })
const remote = (access: RemoteAccess, onMissingSan = (): void => {}): RemoteServer =>
  new RemoteServer(access, { clock, log: noopLogger, onMissingSan })

interface Asked {
  readonly method?: string
  readonly path?: string
  readonly body?: string
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
}
const ask = (transport: Transport, o: Asked = {}): ReturnType<Transport> =>
  transport({
    method: o.method ?? 'GET',
    path: o.path ?? '/a',
    headers: o.headers ?? {},
    ...(o.body === undefined ? {} : { body: Buffer.from(o.body) }),
    signal: o.signal ?? new AbortController().signal,
  })
async function textOf(body: AsyncIterable<Uint8Array>): Promise<string> {
  return Buffer.concat(await Array.fromAsync(body)).toString()
}
const failing =
  (phase: UpstreamPhase) =>
  (e: unknown): e is UpstreamError =>
    e instanceof UpstreamError && e.phase === phase

/** A transport over endpoints of this machine, with limits of its own. */
function over(
  ports: readonly number[],
  limits: Partial<Omit<TransportOptions, 'target' | 'clock'>> = {},
): AsyncDisposable & { readonly transport: Transport } {
  const upstreams = new Upstreams({ clock })
  const lookupDns: DnsLookup = () => Promise.reject(new Error('no names here'))
  const endpoints = ports.map((port) => ({ address: '127.0.0.1', port }))
  const target = new Target({
    parts: { upstreams, tlsContexts: new TlsContexts(), clock, log: noopLogger, random: () => 0 },
    source: sourceOf({ name: 'test', endpoints }, { resolver: { resolve: () => [] }, lookupDns, clock }),
    tls: () => ({ serverName: '127.0.0.1', ca: ca.cert }),
    onMissingSan() {},
  })
  return {
    transport: transportOver({ target, clock, firstByteTimeoutMs: 10_000, ...limits }),
    [Symbol.asyncDispose]: () => upstreams[Symbol.asyncDispose](),
  }
}

for (const [http1Only, version] of [
  [false, '2.0'],
  [true, '1.1'],
] as const) {
  test(`transport: a request and its answer over HTTP/${version}`, limited, async () => {
    await using server = await startServer(
      (req, res) => {
        let body = ''
        req.on('data', (chunk: Buffer) => (body += chunk.toString()))
        req.on('end', () => {
          res.setHeader('X-Many', ['a', 'b'])
          const { authorization, accept } = req.headers
          res.end(JSON.stringify([req.httpVersion, req.method, req.url, authorization, accept, body]))
        })
      },
      { http1Only },
    )
    await using there = remote(accessTo(`${server.url}/prefix/`, { authorization: 'Bearer t' }))
    const cases = [
      { asked: { path: '/a?b=c' }, want: ['GET', '/prefix/a?b=c', ''] },
      { asked: { method: 'POST', path: '', body: 'question' }, want: ['POST', '/prefix', 'question'] },
      { asked: { method: 'POST', path: '/', body: '' }, want: ['POST', '/prefix/', ''] },
    ]
    for (const { asked, want } of cases) {
      const answer = await ask(there.transport, { ...asked, headers: { accept: 'x', host: 'elsewhere' } })
      assert.equal(answer.status, 200)
      assert.equal(answer.headers['x-many'], 'a, b')
      const [method, url, body] = want
      assert.deepEqual(JSON.parse(await textOf(answer.body)), [version, method, url, 'Bearer t', 'x', body])
    }
    assert.equal(server.connections(), 1)
  })
}

test(
  'transport: replaced credentials are for new requests, those under way end with the old ones',
  limited,
  async () => {
    const [first, second] = ['first', 'second'].map((commonName) => makeCertificate({ commonName, ...validity }, ca))
    const goOn = new Deferred()
    await using server = await startServer((req, res) => {
      const name = String((req.socket as TLSSocket).getPeerCertificate().subject.CN)
      res.write(`${name} ${req.headers.authorization} `)
      if (req.url === '/slow') void goOn.promise.then(() => res.end('whole'))
      else res.end()
    })
    await using there = remote(accessTo(server.url, { clientCertificate: first!, authorization: 'Bearer 1' }))
    const slow = await ask(there.transport, { path: '/slow' })
    there.update(accessTo(server.url, { clientCertificate: second!, authorization: 'Bearer 2' }))
    assert.equal(await textOf((await ask(there.transport)).body), 'second Bearer 2 ')
    goOn.resolve()
    assert.equal(await textOf(slow.body), 'first Bearer 1 whole')
    // A pair is written in two steps.
    there.update(accessTo(server.url, { clientCertificate: { cert: first!.cert, key: second!.key } }))
    assert.equal(await textOf((await ask(there.transport)).body), 'second undefined ')
  },
)

test('transport: another CA, at the same place and at another', limited, async () => {
  const others = makeCertificate({ commonName: 'x', names: ['127.0.0.1'], ...validity }, otherCA)
  await using one = await startServer((_req, res) => void res.end('one'))
  await using two = await startServer((_req, res) => void res.end('two'), { pair: others })
  await using there = remote(accessTo(one.url))
  assert.equal(await textOf((await ask(there.transport)).body), 'one')
  there.update(accessTo(two.url))
  await assert.rejects(ask(there.transport), failing('tls'))
  there.update(accessTo(two.url, { ca: otherCA.cert }))
  assert.equal(await textOf((await ask(there.transport)).body), 'two')
  there.update(accessTo(two.url, { ca: ca.cert }))
  await assert.rejects(ask(there.transport), failing('tls'))
  there.update(accessTo(two.url, { insecureSkipVerify: true, ca: undefined }))
  assert.equal(await textOf((await ask(there.transport)).body), 'two')
})

test(
  'transport: a certificate is verified for the name that was given; one without names is refused',
  limited,
  async () => {
    const named = makeCertificate({ commonName: 'x', names: ['webhook.example.com'], ...validity }, ca)
    await using server = await startServer((_req, res) => void res.end('there'), { pair: named })
    let missing = 0
    await using there = remote(accessTo(server.url), () => void missing++)
    await assert.rejects(ask(there.transport), failing('tls'))
    there.update(accessTo(server.url, { serverName: 'webhook.example.com' }))
    assert.equal(await textOf((await ask(there.transport)).body), 'there')
    server.setPair(makeCertificate({ commonName: '127.0.0.1', ...validity }, ca))
    assert.equal(missing, 0)
    there.update(accessTo(server.url))
    await assert.rejects(ask(there.transport), (e) => failing('tls')(e) && e.message === MISSING_SAN)
    assert.equal(missing, 1)
  },
)

for (const http1Only of [false, true]) {
  const version = http1Only ? '1.1' : '2'
  test(`transport: an answer that is too long throws, and ends the request (HTTP/${version})`, limited, async () => {
    const closed = new Deferred()
    await using server = await startServer(
      (_req, res) => {
        res.on('close', closed.resolve)
        res.write('x'.repeat(600))
        setImmediate(() => res.write('x'.repeat(600)))
      },
      { http1Only },
    )
    await using there = over([server.port], { maxBodyBytes: 1000 })
    const answer = await ask(there.transport)
    await assert.rejects(textOf(answer.body), /longer than 1000 bytes/)
    await closed.promise
  })
  test(`transport: a reader who is slow gets everything (HTTP/${version})`, limited, async () => {
    const size = 8 * 1024 * 1024
    await using server = await startServer(
      (_req, res) => {
        res.end(Buffer.alloc(size))
      },
      { http1Only },
    )
    await using there = over([server.port])
    const answer = await ask(there.transport)
    let read = 0
    for await (const chunk of answer.body) {
      if (read === 0) await new Promise((resolve) => setImmediate(resolve))
      read += chunk.length
    }
    assert.equal(read, size)
  })
  test(`transport: a reader who leaves, or aborts, ends the request (HTTP/${version})`, limited, async () => {
    let closed = new Deferred()
    await using server = await startServer(
      (_req, res) => {
        res.on('close', () => closed.resolve())
        res.write('begin')
      },
      { http1Only },
    )
    await using there = over([server.port])
    for await (const _chunk of (await ask(there.transport)).body) break
    await closed.promise
    closed = new Deferred()
    const abort = new AbortController()
    const answer = await ask(there.transport, { signal: abort.signal })
    const reading = textOf(answer.body)
    abort.abort(new Error('enough'))
    await assert.rejects(reading, /enough/)
    await closed.promise
    await assert.rejects(ask(there.transport, { signal: abort.signal }), /enough/)
  })
}

test('transport: no answer in time, and no more of it in time', limited, async () => {
  await using server = await startServer((req, res) => {
    if (req.url === '/begins') res.write('begin')
  })
  await using there = over([server.port], { firstByteTimeoutMs: 50, idleTimeoutMs: 50 })
  const late = (phase: UpstreamPhase) => (e: unknown) => failing(phase)(e) && e.timedOut
  await assert.rejects(ask(there.transport), late('first-byte'))
  const { body } = await ask(there.transport, { path: '/begins' })
  await assert.rejects(textOf(body), late('stream'))
})

test('transport: nobody listens', limited, async () => {
  const server = await startServer(() => {})
  await server[Symbol.asyncDispose]()
  await using there = remote(accessTo(server.url))
  await assert.rejects(
    ask(there.transport),
    (e) => failing('connect')(e) && (e.cause as NodeJS.ErrnoException).code === 'ECONNREFUSED',
  )
})

test(
  'transport: a connection that breaks: what only reads is asked once more, anything else is not',
  limited,
  async () => {
    const seen: string[] = []
    await using server = await startServer(
      (req) => {
        seen.push(req.method)
        req.socket.destroy()
      },
      { http1Only: true },
    )
    await using there = over([server.port])
    await assert.rejects(ask(there.transport), failing('first-byte'))
    await assert.rejects(ask(there.transport, { method: 'POST', body: '{}' }), failing('first-byte'))
    assert.deepEqual(seen, ['GET', 'GET', 'POST'])
  },
)

test('transport: a body that is cut off throws', limited, async () => {
  await using server = await startServer(
    (_req, res) => {
      res.writeHead(200, { 'content-length': '100' })
      res.write('half')
      setImmediate(() => res.stream?.close() ?? res.socket?.destroy())
    },
    { http1Only: true },
  )
  await using there = over([server.port])
  await assert.rejects(textOf((await ask(there.transport)).body), failing('stream'))
})

test('transport: where one endpoint refuses, another answers, POST or not', limited, async () => {
  const gone = createServer().listen(0, '127.0.0.1')
  await once(gone, 'listening')
  const { port } = gone.address() as AddressInfo
  await new Promise((resolve) => gone.close(resolve))
  await using server = await startServer((_req, res) => void res.end('there'))
  await using there = over([port, server.port])
  for (const method of ['GET', 'POST']) {
    const answer = await ask(there.transport, { method, body: method === 'POST' ? '{}' : undefined! })
    assert.equal(await textOf(answer.body), 'there')
  }
})

test('transport: what is counted', limited, async () => {
  const counted: string[] = []
  await using server = await startServer((req, res) => {
    res.statusCode = 418
    if (req.url === '/no') req.socket.destroy()
    else res.end()
  })
  const metrics = {
    answered: (status: number) => void counted.push(String(status)),
    failed: (phase: UpstreamPhase) => void counted.push(phase),
  }
  await using there = over([server.port], { metrics })
  await textOf((await ask(there.transport)).body)
  await assert.rejects(ask(there.transport, { path: '/no', method: 'POST', body: 'x' }))
  assert.deepEqual(counted, ['418', 'first-byte'])
})

/** Backends and clients that misbehave: what the proxy makes of it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import http2 from 'node:http2'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { StatusError } from '../../src/api/status-error.ts'
import { type KeyPair, makeCA, makeCertificate } from '../../src/http/certificates.ts'
import { listen, type Listener } from '../../src/http/listener.ts'
import { RequestContext } from '../../src/http/request-context.ts'
import { ReloadableTls } from '../../src/http/tls-context.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { noopMetrics } from '../../src/observability/metrics.ts'
import { noopTracer } from '../../src/observability/tracer.ts'
import { onlyEndpoint } from '../../src/proxy/endpoint-set.ts'
import { forward } from '../../src/proxy/forward.ts'
import { ProxyMetrics } from '../../src/proxy/proxy-metrics.ts'
import type { UpstreamPool } from '../../src/proxy/upstream-pool.ts'
import { TlsProfile, type TlsProfileOptions } from '../../src/proxy/upstream-tls.ts'
import { Upstreams } from '../../src/proxy/upstreams.ts'

const validity = { notBeforeMs: Date.now() - 86_400_000, notAfterMs: Date.now() + 86_400_000 }
const ca = makeCA({ commonName: 'ca', ...validity })
const serving = makeCertificate({ commonName: 'x', names: ['localhost', '127.0.0.1'], ...validity }, ca)

async function startFront(pool: () => UpstreamPool, longRunning = false): Promise<Listener> {
  const metrics = new ProxyMetrics(noopMetrics).of('b')
  return listen({
    port: 0,
    host: '127.0.0.1',
    clock: systemClock,
    tls: new ReloadableTls(serving),
    onRequest: (exchange) => {
      const ctx = new RequestContext(exchange, systemClock)
      ctx.recover = (_, e) => {
        const error = StatusError.from(e)
        if (exchange.phase === 'waiting') ctx.answer(error.code, [], Buffer.from(error.message))
        else exchange.abort(e)
      }
      const rules = { backend: 'b', identity: 'passthrough', metrics, tracer: noopTracer, clock: systemClock } as const
      forward(ctx, { rules, endpoints: onlyEndpoint(pool().address, pool), longRunning })
    },
  })
}
async function call(
  front: { readonly port: number },
  method = 'GET',
  body?: string,
  path = '/',
): Promise<{ status: number; body: string }> {
  const request = https.request({ port: front.port, host: '127.0.0.1', ca: ca.cert, method, path, agent: false })
  request.end(body)
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage]
  let text = ''
  for await (const chunk of response) text += chunk
  return { status: response.statusCode!, body: text }
}
const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port
const profile = (o: Partial<TlsProfileOptions> = {}, onMissingSan?: () => void): TlsProfile =>
  new TlsProfile({ serverName: 'localhost', ca: ca.cert, ...o }, onMissingSan)

describe('the keep-alive race', () => {
  for (const [method, body, want] of [
    ['GET', undefined, 200],
    ['DELETE', undefined, 200],
    ['POST', undefined, 503],
    ['POST', 'x', 503],
  ] as const) {
    test(`${method}${body ? ' with a body' : ''}: a backend that closed its idle connection without a word gives ${want}`, async () => {
      let served = 0
      // Answers the first request of each connection, and cuts the connection when a second one comes in.
      const backend = createTlsServer(serving, (socket) => {
        let first = true
        socket.on('error', () => {})
        socket.on('data', () => {
          if (!first) {
            socket.destroy()
            return
          }
          first = false
          served++
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
        })
      }).listen(0, '127.0.0.1')
      await once(backend, 'listening')
      await using upstreams = new Upstreams({ clock: systemClock, protocol: 'http/1.1' })
      await using front = await startFront(() =>
        upstreams.pool({ host: '127.0.0.1', port: portOf(backend), tls: profile() }),
      )
      assert.equal((await call(front)).status, 200)
      const second = await call(front, method, body)
      assert.equal(second.status, want)
      assert.equal(served, want === 200 ? 2 : 1)
      if (want === 503)
        assert.match(second.body, /^error trying to reach service: (EOF|read: connection reset by peer)$/)
      backend.close()
    })
  }
})

describe('TLS to backends', () => {
  const wrongName = makeCertificate({ commonName: 'x', names: ['other'], ...validity }, ca)
  const noNames = makeCertificate({ commonName: 'localhost', ...validity }, ca)
  const expired = makeCertificate({ commonName: 'x', names: ['localhost'], notBeforeMs: 0, notAfterMs: 1e12 }, ca)
  const client = makeCertificate({ commonName: 'front-proxy', usages: ['client'], ...validity }, ca)
  const otherCA = makeCA({ commonName: 'other ca', ...validity })
  const stranger = makeCertificate({ commonName: 'stranger', usages: ['client'], ...validity }, otherCA)
  const rows: readonly {
    name: string
    cert: KeyPair
    o?: Partial<TlsProfileOptions>
    clientCA?: string
    want: RegExp | 200
    missingSan?: number
  }[] = [
    { name: 'a good certificate', cert: serving, want: 200 },
    {
      name: 'an unknown CA',
      cert: serving,
      o: { ca: otherCA.cert },
      want: /tls: failed to verify certificate: x509: certificate signed by unknown authority/,
    },
    {
      name: 'no CA given: the system does not know it',
      cert: serving,
      o: { ca: undefined },
      want: /tls: failed to verify certificate: x509: /,
    },
    { name: 'another name', cert: wrongName, want: /tls: failed to verify certificate: x509: .*altnames/ },
    {
      name: 'a common name only',
      cert: noNames,
      want: /x509: certificate relies on legacy Common Name field, use SANs instead/,
      missingSan: 1,
    },
    { name: 'expired', cert: expired, want: /x509: certificate has expired or is not yet valid/ },
    { name: 'anything, unverified', cert: expired, o: { insecureSkipVerify: true, ca: undefined }, want: 200 },
    { name: 'our client certificate', cert: serving, o: { clientCertificate: client }, clientCA: ca.cert, want: 200 },
    {
      name: 'a client certificate the backend refuses',
      cert: serving,
      o: { clientCertificate: stranger },
      clientCA: ca.cert,
      want: /^error trying to reach service: /,
    },
  ]
  for (const { name, cert, o, clientCA, want, missingSan = 0 } of rows) {
    for (const protocol of ['http/1.1', 'h2'] as const) {
      test(`${name}, ${protocol}`, async () => {
        const backend = http2
          .createSecureServer(
            {
              ...cert,
              allowHTTP1: true,
              ...(clientCA ? { ca: clientCA, requestCert: true, rejectUnauthorized: true } : {}),
            },
            (_q, r) => r.end('ok'),
          )
          .listen(0, '127.0.0.1')
        await once(backend, 'listening')
        let missing = 0
        const tls = profile(o, () => missing++)
        await using upstreams = new Upstreams({ clock: systemClock, protocol })
        await using front = await startFront(() => upstreams.pool({ host: '127.0.0.1', port: portOf(backend), tls }))
        const answer = await call(front)
        if (want === 200) assert.equal(answer.status, 200, answer.body)
        else {
          assert.equal(answer.status, 503)
          assert.match(answer.body, want)
        }
        assert.equal(missing, missingSan)
        backend.close()
      })
    }
  }
})

test('HTTP/2: a backend that goes away after each few requests costs no request', async () => {
  const counts = new WeakMap<object, number>()
  const backend = http2.createSecureServer(serving)
  backend.on('stream', (stream) => {
    const session = stream.session!
    const n = (counts.get(session) ?? 0) + 1
    counts.set(session, n)
    stream.respond({ ':status': 200 })
    stream.end('ok')
    if (n === 5) session.close()
  })
  backend.listen(0, '127.0.0.1')
  await once(backend, 'listening')
  await using upstreams = new Upstreams({ clock: systemClock, protocol: 'h2' })
  await using front = await startFront(() =>
    upstreams.pool({ host: '127.0.0.1', port: portOf(backend), tls: profile() }),
  )
  for (let i = 0; i < 12; i++) {
    const answers = await Promise.all(Array.from({ length: 8 }, () => call(front)))
    assert.deepEqual(
      answers.map((a) => a.status),
      Array.from({ length: 8 }, () => 200),
    )
  }
  backend.close()
})

test('HTTP/2: more watches than one session may carry open further sessions', async () => {
  const backend = http2.createSecureServer({ ...serving, settings: { maxConcurrentStreams: 10 } })
  const sessions = new Set<object>()
  let open = 0
  backend.on('stream', (stream) => {
    sessions.add(stream.session!)
    open++
    stream.on('error', () => {})
    stream.respond({ ':status': 200 })
    stream.write('event')
  })
  backend.listen(0, '127.0.0.1')
  await once(backend, 'listening')
  await using upstreams = new Upstreams({ clock: systemClock })
  await using front = await startFront(
    () => upstreams.pool({ host: '127.0.0.1', port: portOf(backend), tls: profile() }),
    true,
  )
  const client = http2.connect(`https://localhost:${front.port}`, { ca: ca.cert })
  await Promise.all(Array.from({ length: 60 }, () => once(client.request({ ':path': '/watch' }), 'data')))
  assert.equal(open, 60)
  assert.ok(sessions.size >= 6 && sessions.size <= 10, `${sessions.size} sessions`)
  client.destroy()
  backend.close()
})

for (const protocol of ['http/1.1', 'h2'] as const) {
  test(`20 clients that do not read an answer of 200 MB cost less than 64 MB, ${protocol} to the backend`, async () => {
    const chunk = Buffer.alloc(65_536)
    let sent = 0
    const backend = http2
      .createSecureServer({ ...serving, allowHTTP1: true }, (q, r) => {
        r.on('error', () => {})
        let left = q.url === '/warm' ? 65_536 : 200e6
        const more = (): void => {
          while (left > 0 && !r.destroyed) {
            left -= chunk.length
            sent += chunk.length
            if (!r.write(chunk)) return void r.once('drain', more)
          }
          r.end()
        }
        more()
      })
      .listen(0, '127.0.0.1')
    await once(backend, 'listening')
    const folder = await mkdtemp(join(tmpdir(), 'portico-test-'))
    for (const [name, text] of [
      ['ca.crt', ca.cert],
      ['server.crt', serving.cert],
      ['server.key', serving.key],
    ] as const)
      await writeFile(join(folder, name), text)
    const script = join(import.meta.dirname, '../../bench/lib/bare-front.ts')
    // A small young generation, so that what grows is buffers and not garbage.
    const child = spawn(
      process.execPath,
      ['--max-semi-space-size=1', script, folder, String(portOf(backend)), protocol],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    await using cleanup = new AsyncDisposableStack()
    cleanup.defer(async () => {
      child.kill('SIGKILL')
      await once(child, 'exit')
      await rm(folder, { recursive: true })
      backend.close()
    })
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const port = Number(line)
    const rss = (): number =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))![1]) / 1_000
    for (let i = 0; i < 50; i++) await call({ port }, 'GET', undefined, '/warm')
    const before = rss()
    const requests = await Promise.all(
      Array.from({ length: 20 }, async () => {
        const request = https.get({ port, host: '127.0.0.1', ca: ca.cert, agent: false })
        request.on('error', () => {})
        const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage]
        response.on('error', () => {})
        response.pause()
        return request
      }),
    )
    cleanup.defer(() => {
      for (const request of requests) request.destroy()
    })
    let last = -1
    while (last !== sent) {
      last = sent
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    assert.ok(sent < 20 * 16e6, `${sent} bytes were taken from the backend`)
    const grown = rss() - before
    assert.ok(grown < 64, `${grown} MB`)
  })
}

test('an upload the backend does not read stops at the client', async () => {
  const sockets: TLSSocket[] = []
  const backend = createTlsServer(serving, (socket: TLSSocket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.once('data', () => socket.pause())
  }).listen(0, '127.0.0.1')
  await once(backend, 'listening')
  await using upstreams = new Upstreams({ clock: systemClock, protocol: 'http/1.1' })
  await using front = await startFront(() =>
    upstreams.pool({ host: '127.0.0.1', port: portOf(backend), tls: profile() }),
  )
  const request = https.request({ port: front.port, host: '127.0.0.1', ca: ca.cert, method: 'POST', agent: false })
  request.on('error', () => {})
  let written = 0
  const chunk = Buffer.alloc(65_536)
  const more = (): void => {
    do written += chunk.length
    while (written < 200e6 && request.write(chunk))
  }
  request.on('drain', more)
  more()
  let last = -1
  while (last !== written) {
    last = written
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  assert.ok(written < 32e6, `${written} bytes were taken from the client`)
  request.destroy()
  for (const socket of sockets) socket.destroy()
  backend.close()
})

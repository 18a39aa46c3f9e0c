import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http2 from 'node:http2'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import { after, before, describe, test } from 'node:test'
import { connect, createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { StatusError } from '../api/status-error.ts'
import { makeCA, makeCertificate } from '../http/certificates.ts'
import type { Outcome } from '../http/exchange.ts'
import { listen, type Listener } from '../http/listener.ts'
import { RequestContext } from '../http/request-context.ts'
import { ReloadableTls } from '../http/tls-context.ts'
import { systemClock } from '../lib/clock.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { Deferred } from '../lib/deferred.ts'
import { noopMetrics } from '../observability/metrics.ts'
import { noopTracer } from '../observability/tracer.ts'
import { onlyEndpoint } from './endpoint-set.ts'
import { forward } from './forward.ts'
import { ProxyMetrics } from './proxy-metrics.ts'
import { joinStreams } from './upgrade-tunnel.ts'
import { TlsProfile } from './upstream-tls.ts'
import { Upstreams } from './upstreams.ts'

const validity = { notBeforeMs: Date.now() - 1e6, notAfterMs: Date.now() + 1e8 }
const ca = makeCA({ commonName: 'ca', ...validity })
const serving = makeCertificate({ commonName: 'x', names: ['localhost', '127.0.0.1'], ...validity }, ca)
const metrics = new ProxyMetrics(noopMetrics).of('b')

describe('upgrades', () => {
  /** What the backend does with a request head. */
  let answer: (head: string, socket: TLSSocket) => void
  const backendSockets = new Set<TLSSocket>()
  const backend = createTlsServer({ ...serving, ALPNProtocols: ['h2', 'http/1.1'], allowHalfOpen: true }, (socket) => {
    backendSockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => backendSockets.delete(socket))
    socket.once('data', (d: Buffer) => answer(d.toString('latin1'), socket))
  })
  const upstreams = new Upstreams({ clock: systemClock })
  let front: Listener
  let finished: Deferred<Outcome>
  before(async () => {
    backend.listen(0, '127.0.0.1')
    await once(backend, 'listening')
    const { port } = backend.address() as AddressInfo
    const pool = upstreams.pool({
      host: '127.0.0.1',
      port,
      tls: new TlsProfile({ serverName: 'localhost', ca: ca.cert }),
    })
    front = await listen({
      port: 0,
      host: '127.0.0.1',
      clock: systemClock,
      tls: new ReloadableTls(serving),
      onRequest: (exchange) => {
        finished = new Deferred()
        exchange.onFinish(finished.resolve)
        const ctx = new RequestContext(exchange, systemClock)
        ctx.user = { name: 'jane', groups: [] }
        ctx.recover = (_, e) =>
          exchange.phase === 'waiting'
            ? ctx.answer(StatusError.from(e).code, [], Buffer.from(StatusError.from(e).message))
            : exchange.abort(e)
        forward(ctx, {
          rules: { backend: 'b', identity: 'requestheader', metrics, tracer: noopTracer, clock: systemClock },
          endpoints: onlyEndpoint(pool.address, () => pool),
          longRunning: true,
        })
      },
    })
  })
  after(async () => {
    await front.close({ graceMs: 0 })
    await upstreams[Symbol.asyncDispose]()
    for (const s of backendSockets) s.destroy()
    backend.close()
  })
  async function client(): Promise<TLSSocket> {
    const options = { port: front.port, host: '127.0.0.1', ca: ca.cert, servername: 'localhost', allowHalfOpen: true }
    const socket = connect(options)
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    return socket
  }
  /** Reads until the text is there. */
  async function until(socket: NodeJS.ReadableStream, wanted: string): Promise<string> {
    let text = ''
    for (;;) {
      for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) text += chunk.toString('latin1')
      if (text.includes(wanted)) return text
      await once(socket, 'readable')
    }
  }
  const accept = (head: string): string =>
    createHash('sha1')
      .update(`${/sec-websocket-key: (\S+)/i.exec(head)![1]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
  const echo = (socket: TLSSocket): void => {
    socket.on('data', (d) => socket.write(d))
    socket.on('end', () => socket.end('bye'))
  }

  for (const [name, request] of [
    [
      'SPDY/3.1 by POST',
      'POST /exec?a=%2F HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\nContent-Length: 0\r\n\r\n',
    ],
    [
      'WebSocket by GET',
      'GET /exec?a=%2F HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    ],
  ] as const) {
    test(`${name}: bytes go both ways, early ones too, and half-close ends one direction alone`, async () => {
      let seen = ''
      answer = (head, socket) => {
        seen = head
        const key = head.includes('websocket') ? `Sec-WebSocket-Accept: ${accept(head)}\r\n` : ''
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${/upgrade: (\S+)\r\n/i.exec(head.replace(/connection:.*\r\n/i, ''))![1]}\r\nX-B: 1\r\n${key}\r\nearly`,
        )
        echo(socket)
      }
      const socket = await client()
      socket.write(`${request}hello`)
      const got = await until(socket, 'hello')
      assert.match(got, /^HTTP\/1\.1 101 .*\r\n[\s\S]*X-B: 1\r\n[\s\S]*\r\n\r\nearlyhello$/)
      assert.match(seen, /^(GET|POST) \/exec\?a=%2F HTTP\/1\.1\r\n/)
      assert.match(seen, /X-Remote-User: jane/)
      assert.match(seen, /Connection: Upgrade\r\nUpgrade: (SPDY\/3\.1|websocket)\r\n/)
      socket.end()
      await until(socket, 'bye')
      assert.equal((await finished.promise).kind, 'taken-over')
    })
  }
  test('either side that breaks frees the other', async () => {
    answer = (_h, socket) =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nx')
    const head = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n'
    const first = await client()
    first.write(head)
    await until(first, '\r\n\r\nx')
    const [atBackend] = backendSockets
    atBackend!.resume()
    atBackend!.on('end', () => atBackend!.end())
    const gone = once(atBackend!, 'close')
    first.destroy()
    await gone
    const second = await client()
    second.write(head)
    await until(second, '\r\n\r\nx')
    const closed = once(second, 'close')
    second.resume()
    for (const s of backendSockets) s.destroy()
    second.on('end', () => second.end())
    await closed
  })
  test('an upgrade that fails is an ordinary answer: what the client sends then never reaches the backend', async () => {
    let extra = ''
    const gone = new Deferred()
    answer = (_h, socket) => {
      socket.on('data', (d) => {
        extra += d.toString()
      })
      socket.on('end', () => socket.end())
      socket.on('close', () => gone.resolve())
      socket.write('HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope')
    }
    const socket = await client()
    socket.write(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\nGET /secret HTTP/1.1\r\nX-Remote-User: root\r\n\r\n',
    )
    assert.match(await until(socket, 'nope'), /^HTTP\/1\.1 403 /)
    await gone.promise
    assert.equal(extra, '')
    socket.destroy()
  })
  for (const [name, response, want] of [
    [
      'a 200 is no switch',
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      /^HTTP\/1\.1 503 [\s\S]*invalid upgrade response: status code 200/,
    ],
    [
      'another protocol is no switch',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n',
      /^HTTP\/1\.1 503 /,
    ],
    [
      'a wrong WebSocket key is no switch',
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n',
      /^HTTP\/1\.1 503 /,
    ],
    [
      'a redirect is refused',
      'HTTP/1.1 302 Found\r\nLocation: https://evil/\r\nContent-Length: 0\r\n\r\n',
      /^HTTP\/1\.1 502 /,
    ],
  ] as const) {
    test(name, async () => {
      answer = (_h, socket) => socket.end(response)
      const socket = await client()
      socket.write(
        'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\n\r\n',
      )
      assert.match(await until(socket, '\r\n\r\n'), want)
      socket.destroy()
    })
  }
  test('an HTTP/2 client reaches a WebSocket backend through extended CONNECT', async () => {
    let seen = ''
    answer = (head, socket) => {
      seen = head
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept(head)}\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n`,
      )
      echo(socket)
    }
    const session = http2.connect(`https://localhost:${front.port}`, { ca: ca.cert })
    await once(session, 'remoteSettings')
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/exec',
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'v5.channel.k8s.io',
    })
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
    assert.deepEqual(
      [headers[':status'], headers['sec-websocket-protocol'], headers['sec-websocket-accept']],
      [200, 'v5.channel.k8s.io', undefined],
    )
    assert.match(seen, /^GET \/exec HTTP\/1\.1\r\n/)
    stream.write('hello')
    await until(stream, 'hello')
    stream.end()
    await until(stream, 'bye')
    session.destroy()
  })
  test('a tunnel of which one direction is over ends once the other is silent', async () => {
    const clock = new FakeClock()
    const [a, b] = duplexPair()
    const [c, d] = duplexPair()
    joinStreams(
      { stream: b, head: new Uint8Array(0) },
      { socket: c as Duplex as Socket, head: new Uint8Array(0) },
      clock,
    )
    a.end()
    d.resume()
    await once(d, 'end')
    d.write('late')
    await until(a, 'late')
    clock.advance(30_000)
    assert.equal(c.destroyed, false)
    const closed = once(c, 'close')
    clock.advance(30_000)
    await closed
    assert.equal(b.destroyed, true)
  })
  test('no backend there: 503', async () => {
    const free = createServer().listen(0)
    await once(free, 'listening')
    const pool = upstreams.pool({ host: '127.0.0.1', port: (free.address() as AddressInfo).port, tls: undefined })
    free.close()
    await once(free, 'close')
    const failed = new Deferred<string>()
    await using other = await listen({
      port: 0,
      host: '127.0.0.1',
      clock: systemClock,
      onRequest: (exchange) => {
        const ctx = new RequestContext(exchange, systemClock)
        ctx.recover = (_, e) => {
          failed.resolve(StatusError.from(e).message)
          ctx.answer(503, [])
        }
        forward(ctx, {
          rules: { backend: 'b', identity: 'passthrough', metrics, tracer: noopTracer, clock: systemClock },
          endpoints: onlyEndpoint(pool.address, () => pool),
          longRunning: true,
        })
      },
    })
    const { connect: plain } = await import('node:net')
    const socket = plain(other.port, '127.0.0.1')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    assert.match(
      await failed.promise,
      /^error trying to reach service: dial tcp 127\.0\.0\.1:\d+: connect: connection refused$/,
    )
    socket.destroy()
  })
})

/** Backends that say a little now and then: what they have begun has to be whole within its limit, whatever trickles in. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { makeCA, makeCertificate } from '../../src/http/certificates.ts'
import { Flag, FrameType } from '../../src/http/http2/frames.ts'
import { FakeClock } from '../../src/lib/fake-clock.ts'
import { noopMetrics } from '../../src/observability/metrics.ts'
import { noopTracer } from '../../src/observability/tracer.ts'
import { onlyEndpoint } from '../../src/proxy/endpoint-set.ts'
import { forward } from '../../src/proxy/forward.ts'
import { ProxyMetrics } from '../../src/proxy/proxy-metrics.ts'
import { openUpgrade } from '../../src/proxy/upgrade-tunnel.ts'
import type { UpstreamError, UpstreamHandler, UpstreamRequest } from '../../src/proxy/upstream.ts'
import { defaultPoolOptions } from '../../src/proxy/pool-options.ts'
import { UpstreamPool } from '../../src/proxy/upstream-pool.ts'
import { TlsProfile } from '../../src/proxy/upstream-tls.ts'
import { fakeRequest } from '../harness/fake-exchange.ts'
import { block, frame, headers, OK, settings } from '../harness/http2-frames.ts'
import { untilTurn } from '../harness/until.ts'

const limited = { timeout: 20_000 }
const SECOND_MS = 1_000
const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 86_400_000 }
const ca = makeCA({ commonName: 'ca', ...validity })
const serving = makeCertificate({ commonName: 'x', names: ['localhost'], ...validity }, ca)
const tls = new TlsProfile({ serverName: 'localhost', ca: ca.cert })
const GET: UpstreamRequest = {
  method: 'GET',
  target: '/',
  authority: 'a',
  headers: [],
  body: 'none',
  upgrade: undefined,
}

class Heard implements UpstreamHandler {
  error: UpstreamError | undefined
  informed(): void {}
  answered(): void {}
  data(): boolean {
    return true
  }
  ended(): void {}
  failed(error: UpstreamError): void {
    this.error = error
  }
  switched(): void {}
  drained(): void {}
}

/** A backend whose connections a test writes to by hand. */
class Rig implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly sockets: Socket[] = []
  readonly server
  readonly heard = new Heard()
  pool!: UpstreamPool

  constructor(isHttp2: boolean) {
    this.server = isHttp2 ? createTlsServer({ ...serving, ALPNProtocols: ['h2'] }) : createServer()
    this.server.on(isHttp2 ? 'secureConnection' : 'connection', (socket: Socket) => {
      socket
        .setNoDelay(true)
        .on('error', () => {})
        .resume()
      this.sockets.push(socket)
    })
  }
  static async start(o: { http2?: boolean; tls?: boolean } = {}): Promise<Rig> {
    const rig = new Rig(o.http2 === true)
    rig.server.listen(0, '127.0.0.1')
    await once(rig.server, 'listening')
    const { port } = rig.server.address() as AddressInfo
    const options = { ...defaultPoolOptions, clock: rig.clock }
    rig.pool = new UpstreamPool({ host: '127.0.0.1', port, tls: o.tls || o.http2 ? tls : undefined }, options)
    return rig
  }
  async accepted(): Promise<Socket> {
    await untilTurn('the backend has its connection', () => this.sockets.length > 0)
    return this.sockets[0]!
  }
  /** A second passes after each of the bytes. @returns how many passed until the sender heard of the failure. */
  async trickle(parts: Iterable<Buffer>): Promise<number> {
    const socket = await this.accepted()
    let seconds = 0
    for (const part of parts) {
      if (this.heard.error) break
      const { bytesWritten } = socket
      await new Promise<void>((resolve) => socket.write(part, () => resolve()))
      assert.ok(socket.bytesWritten > bytesWritten)
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve))
      this.clock.advance(SECOND_MS)
      seconds++
    }
    return seconds
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.pool.close()
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
    await once(this.server, 'close')
  }
}
const each = (text: string): Buffer[] => Array.from(text, (c) => Buffer.from(c))

describe('backends that trickle', limited, () => {
  const ANSWER = `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(100)}`
  test('the head of an answer: the limit counts from its first byte', limited, async () => {
    await using rig = await Rig.start()
    rig.pool.send(GET, rig.heard, { longRunning: true, fresh: false })
    const seconds = await rig.trickle(each(ANSWER))
    assert.ok(seconds <= 12, `${seconds} s`)
    assert.match(rig.heard.error!.message, /timeout awaiting response headers/)
  })
  test('the answer to an upgrade', limited, async () => {
    await using rig = await Rig.start()
    openUpgrade(rig.pool, { ...GET, upgrade: 'websocket' }, rig.heard)
    const seconds = await rig.trickle(each(ANSWER.replace('200 OK', '101 Switching')))
    assert.ok(seconds <= 12, `${seconds} s`)
    assert.match(rig.heard.error!.message, /timeout awaiting response headers/)
  })
  test('an upgrade that is never answered ends after 60 s', limited, async () => {
    await using rig = await Rig.start()
    const { ctx, exchange } = fakeRequest({ upgrade: 'websocket' }, rig.clock)
    let failed: unknown
    ctx.recover = (_, error) => {
      failed = error
    }
    const metrics = new ProxyMetrics(noopMetrics).of('b')
    forward(ctx, {
      rules: { backend: 'b', identity: 'own', metrics, tracer: noopTracer, clock: rig.clock },
      endpoints: onlyEndpoint(rig.pool.address, () => rig.pool),
      longRunning: true,
    })
    await rig.accepted()
    rig.clock.advance(59 * SECOND_MS)
    assert.deepEqual([failed, exchange.phase], [undefined, 'waiting'])
    rig.clock.advance(2 * SECOND_MS)
    assert.match(String(failed), /context deadline exceeded/)
  })
  test('a TLS handshake', limited, async () => {
    await using rig = await Rig.start({ tls: true })
    rig.pool.send(GET, rig.heard, { longRunning: false, fresh: false })
    // The head of a record that says it is long, and then a byte at a time.
    const seconds = await rig.trickle([
      Buffer.from([22, 3, 3, 64, 0]),
      ...Array<Buffer>(60).fill(Buffer.from('\u0002')),
    ])
    assert.ok(seconds <= 12, `${seconds} s`)
    assert.match(rig.heard.error!.message, /TLS handshake timeout/)
  })
  test('a header block in CONTINUATION', limited, async () => {
    await using rig = await Rig.start({ http2: true })
    rig.pool.send(GET, rig.heard, { longRunning: true, fresh: false })
    const socket = await rig.accepted()
    socket.write(settings())
    await untilTurn('the request is under way', () => rig.pool.stats.streams === 1)
    socket.write(headers(1, OK, 0))
    const more = frame(FrameType.continuation, 0, 1, block('x', 'y'))
    const seconds = await rig.trickle(Array<Buffer>(60).fill(more))
    assert.ok(seconds <= 14, `${seconds} s`)
    assert.match(rig.heard.error!.message, /headers that do not end/)
  })
  test('a stream that is quiet behind its head is none of them', limited, async () => {
    await using rig = await Rig.start({ http2: true })
    rig.pool.send(GET, rig.heard, { longRunning: true, fresh: false })
    const socket = await rig.accepted()
    socket.write(Buffer.concat([settings(), headers(1, OK, Flag.endHeaders)]))
    await untilTurn('the request is under way', () => rig.pool.stats.streams === 1)
    await rig.trickle(Array<Buffer>(60).fill(frame(FrameType.data, 0, 1, Buffer.from('x'))))
    assert.equal(rig.heard.error, undefined)
  })
})

/** When a pool takes a connection it has, when it dials, and when it lets one go. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2, { type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { untilTurn } from '../../test/harness/until.ts'
import { makeCA, makeCertificate } from '../http/certificates.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import type { UpstreamError, UpstreamHandler, UpstreamRequest } from './upstream.ts'
import { defaultPoolOptions, type PoolOptions } from './pool-options.ts'
import { UpstreamPool } from './upstream-pool.ts'
import { TlsProfile } from './upstream-tls.ts'

const validity = { notBeforeMs: Date.now() - 86_400_000, notAfterMs: Date.now() + 86_400_000 }
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
const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const limited = { timeout: 10_000 }

class Heard implements UpstreamHandler {
  over = false
  bytes = 0
  handshakes = 0
  error: UpstreamError | undefined
  handshaking(): void {
    this.handshakes++
  }
  informed(): void {}
  answered(): void {}
  data(chunk: Buffer): boolean {
    this.bytes += chunk.length
    return true
  }
  ended(): void {
    this.over = true
  }
  failed(error: UpstreamError): void {
    this.error = error
  }
  switched(): void {}
  drained(): void {}
}

class Rig implements AsyncDisposable {
  readonly clock = new FakeClock()
  readonly server: Server
  readonly pool: UpstreamPool
  constructor(server: Server, o: Partial<PoolOptions>, isSecure: boolean, random = () => 0.5) {
    this.server = server
    const { port } = server.address() as AddressInfo
    const options = { ...defaultPoolOptions, clock: this.clock, ...o }
    this.pool = new UpstreamPool({ host: '127.0.0.1', port, tls: isSecure ? tls : undefined }, options, random)
  }
  send(fresh = false): Heard {
    const heard = new Heard()
    this.pool.send(GET, heard, { longRunning: false, fresh })
    return heard
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.pool.close()
    this.server.close()
    await once(this.server, 'close')
  }
}
const until = (what: string, holds: () => boolean): Promise<void> => untilTurn(what, holds, 5_000)

/** A backend of HTTP/1.1 that answers when it is told to. */
class Http1Rig extends Rig {
  accepted = 0
  /** Those that are secured, where they have to be. */
  readonly sockets: Socket[] = []
  /** Those that wait for an answer. */
  readonly asking: Socket[] = []
  static async start(o: Partial<PoolOptions> = {}, isSecure = false): Promise<Http1Rig> {
    const server = isSecure ? createTlsServer(serving) : createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Http1Rig(server, o, isSecure)
  }
  constructor(server: Server, o: Partial<PoolOptions>, isSecure: boolean) {
    super(server, { protocol: 'http/1.1', ...o }, isSecure)
    server.on('connection', () => this.accepted++)
    server.on(isSecure ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.sockets.push(socket)
      socket.on('error', () => {})
      socket.on('data', () => this.asking.push(socket))
      socket.on('end', () => socket.end())
    })
  }
  reach(count: number): Promise<void> {
    return until(`${count} requests are with the backend`, () => this.asking.length === count)
  }
  answer(): void {
    this.asking.shift()!.write(ANSWER)
  }
}

test('no more connections than allowed: the next request waits for one that is free', limited, async () => {
  await using rig = await Http1Rig.start({ maxConnections: 2 })
  const all = [rig.send(), rig.send(), rig.send()]
  await rig.reach(2)
  assert.deepEqual(rig.pool.stats, { http1: 2, idle: 0, sessions: 0, streams: 0, queued: 1 })
  rig.answer()
  await rig.reach(2)
  rig.answer()
  rig.answer()
  await until('all are answered', () => all.every((h) => h.over))
  assert.equal(rig.sockets.length, 2)
})

test('no more requests wait than allowed: the next one fails at once, and was seen by nobody', limited, async () => {
  await using rig = await Http1Rig.start({ maxConnections: 1, maxQueued: 1 })
  const first = rig.send()
  const refused = rig.send()
  assert.equal(rig.pool.stats.queued, 1)
  await rig.reach(1)
  assert.deepEqual([refused.error?.phase, refused.error?.unprocessed], ['queue', true])
  const waiting = rig.send()
  rig.answer()
  await rig.reach(1)
  rig.answer()
  await until('both are answered', () => first.over && waiting.over)
})

test('a fresh connection is not one that waited, and those that waited beside it are closed', limited, async () => {
  await using rig = await Http1Rig.start()
  const before = [rig.send(), rig.send()]
  await rig.reach(2)
  rig.answer()
  rig.answer()
  await until('both are answered', () => before.every((h) => h.over))
  assert.equal(rig.pool.stats.idle, 2)
  rig.send(true)
  assert.equal(rig.pool.stats.idle, 0)
  await rig.reach(1)
  assert.equal(rig.asking[0], rig.sockets[2])
  await until('the two are closed', () => rig.pool.stats.http1 === 1)
})

test('a connection that outlives its time with a request serves no other one', limited, async () => {
  await using rig = await Http1Rig.start({ maxAgeMs: 60_000 })
  for (const [afterMs, sockets] of [
    [60_000, 1],
    [1, 1],
    [0, 2],
  ] as const) {
    const heard = rig.send()
    await rig.reach(1)
    rig.clock.advance(afterMs)
    rig.answer()
    await until('it is answered', () => heard.over)
    assert.equal(rig.sockets.length, sockets)
  }
})

test('a backend is asked whether it lives when nothing comes, not while an answer comes slowly', limited, async () => {
  await using rig = await Http1Rig.start({ readIdleMs: 5_000 }, true)
  // Of one request the head does not come; the other connection brings a byte each second.
  const both = [rig.send(), rig.send()]
  await rig.reach(2)
  const bytes = (): number => both[0]!.bytes + both[1]!.bytes
  const pass = (): void => {
    rig.clock.advance(1_000)
    rig.pool.sweep(rig.clock.monotonicMs())
  }
  rig.asking[0]!.write('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n')
  for (let i = 0; i < 10; i++) {
    rig.asking[0]!.write('x')
    await until('it came', () => bytes() > i)
    pass()
  }
  rig.send()
  await rig.reach(3)
  assert.equal(rig.accepted, 3, 'none but those of requests')
  for (let i = 0; i < 6; i++) pass()
  await until('it is asked', () => rig.accepted === 4)
})

/** A backend of HTTP/2 that answers nothing. */
async function startHttp2(o: Partial<PoolOptions>, maxConcurrentStreams = 100, random = () => 0.5) {
  const streams: ServerHttp2Stream[] = []
  const sessions: object[] = []
  const server = http2.createSecureServer({ ...serving, settings: { maxConcurrentStreams } })
  server.on('session', (session) => sessions.push(session.on('error', () => {})))
  server.on('stream', (stream) => streams.push(stream.on('error', () => {})))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(new Rig(server, o, true, random), { streams, sessions })
}

test('a session that is old takes no new requests, and ends those that it has', limited, async () => {
  await using rig = await startHttp2({ maxAgeMs: 60_000, readIdleMs: 600_000 })
  const reach = (count: number) => until(`${count} requests`, () => rig.streams.length === count)
  const first = rig.send()
  await reach(1)
  rig.clock.advance(60_000)
  rig.pool.sweep(rig.clock.monotonicMs())
  rig.send()
  await reach(2)
  assert.equal(rig.sessions.length, 1)
  rig.clock.advance(1)
  rig.pool.sweep(rig.clock.monotonicMs())
  rig.send()
  await reach(3)
  assert.equal(rig.sessions.length, 2)
  rig.streams[0]!.respond({ ':status': 200 }, { endStream: true })
  await until('the old one answers', () => first.over)
})

const ages: readonly [random: number, ageMs: number][] = [
  [0, 48_000],
  [0.25, 54_000],
  [0.5, 60_000],
  [0.75, 66_000],
  [1 - Number.EPSILON, 72_000],
]
for (const [random, ageMs] of ages) {
  test(
    `a session's greatest age is spread by a fifth each way: ${ageMs} of 60,000 ms for ${random}`,
    limited,
    async () => {
      await using rig = await startHttp2({ maxAgeMs: 60_000, readIdleMs: 600_000 }, 100, () => random)
      const ask = async (): Promise<number> => {
        const before = rig.streams.length
        rig.send()
        await until('it is with the backend', () => rig.streams.length === before + 1)
        return rig.sessions.length
      }
      const pass = (ms: number): void => {
        rig.clock.advance(ms)
        rig.pool.sweep(rig.clock.monotonicMs())
      }
      assert.equal(await ask(), 1)
      pass(ageMs - 1)
      assert.equal(await ask(), 1, 'not before')
      pass(2)
      assert.equal(await ask(), 2, 'and not long after')
    },
  )
}

test('another session is opened before one is full: at four fifths of its streams', limited, async () => {
  await using rig = await startHttp2({}, 10)
  rig.send()
  await until('the first', () => rig.streams.length === 1)
  for (let i = 1; i < 8; i++) rig.send()
  await until('eight', () => rig.streams.length === 8)
  assert.equal(rig.sessions.length, 1)
  rig.send()
  await until('another session', () => rig.pool.stats.sessions === 2)
  assert.equal(rig.pool.stats.streams, 9)
})

test(
  'who comes to a handshake under way hears of it, once, and not in the middle of its own call',
  limited,
  async () => {
    // It accepts connections, and says nothing.
    const server = createServer((socket) => socket.on('error', () => {}).resume())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    await using rig = new Rig(server, { protocol: 'h2' }, true)
    const first = rig.send()
    assert.equal(first.handshakes, 0)
    await until('TCP is connected', () => first.handshakes === 1)
    const second = rig.send()
    assert.equal(second.handshakes, 0)
    await until('it hears', () => second.handshakes === 1)
    const watch = new Heard()
    rig.pool.send(GET, watch, { longRunning: true, fresh: false })
    await until('watches have a connection of their own', () => watch.handshakes === 1)
    assert.deepEqual([first.handshakes, second.handshakes], [1, 1])
  },
)

test(
  'requests that waited for one handshake fail a few in each turn: others have theirs between',
  limited,
  async () => {
    const sockets: Socket[] = []
    const server = createServer((socket) => sockets.push(socket.on('error', () => {}).resume()))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    await using rig = new Rig(server, { protocol: 'h2' }, true)
    const all = Array.from({ length: 40 }, () => rig.send())
    await until('TCP is connected', () => sockets.length === 1)
    sockets[0]!.destroy()
    let [failed, most] = [0, 0]
    await until('all failed', () => {
      const now = all.filter((heard) => heard.error !== undefined).length
      most = Math.max(most, now - failed)
      failed = now
      return failed === all.length
    })
    assert.ok(most <= 4, `${most}`)
  },
)

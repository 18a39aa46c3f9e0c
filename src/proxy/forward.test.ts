import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { untilTurn } from '../../test/harness/until.ts'
import type { UserInfo } from '../api/meta.ts'
import { StatusError } from '../api/status-error.ts'
import { makeCA, makeCertificate } from '../http/certificates.ts'
import type { Outcome } from '../http/exchange.ts'
import { listen, type Listener } from '../http/listener.ts'
import { RequestContext } from '../http/request-context.ts'
import { ReloadableTls } from '../http/tls-context.ts'
import { systemClock } from '../lib/clock.ts'
import { Deferred } from '../lib/deferred.ts'
import { noopMetrics } from '../observability/metrics.ts'
import { noopTracer } from '../observability/tracer.ts'
import { type EndpointChoice, onlyEndpoint } from './endpoint-set.ts'
import { forward, type ForwardRules } from './forward.ts'
import { ProxyMetrics } from './proxy-metrics.ts'
import { TlsProfile } from './upstream-tls.ts'
import { Upstreams } from './upstreams.ts'

const DAY = 86_400_000
const validity = { notBeforeMs: Date.now() - DAY, notAfterMs: Date.now() + DAY }
const ca = makeCA({ commonName: 'test ca', ...validity })
const serving = makeCertificate(
  { commonName: 'x', names: ['localhost', '127.0.0.1', 'metrics.kube-system.svc'], ...validity },
  ca,
)
const tls = new TlsProfile({ serverName: 'metrics.kube-system.svc', ca: ca.cert })
const user: UserInfo = { name: 'jane', uid: 'u-1', groups: ['dev', 'ops'], extra: new Map([['scopes/é', ['a', 'b']]]) }

type BackendHandler = (
  request: http2.Http2ServerRequest | http.IncomingMessage,
  response: http2.Http2ServerResponse,
) => void

/** A backend of both protocols, a front of both, and what connects them. */
class Rig implements AsyncDisposable {
  handler: BackendHandler = (_q, r) => r.end()
  readonly backend = http2.createSecureServer({ ...serving, allowHTTP1: true }, (q, r) => this.handler(q, r))
  readonly outcomes: Deferred<Outcome>[] = []
  readonly upstreams: Upstreams
  readonly rules: ForwardRules = {
    backend: 'b',
    identity: 'requestheader',
    metrics: new ProxyMetrics(noopMetrics).of('test'),
    tracer: noopTracer,
    clock: systemClock,
  }
  front!: Listener
  firstByteTimeoutMs: number | undefined
  /** Requests wait for it, as for an answer about a token. */
  admitted: Promise<void> | undefined
  endpoints: EndpointChoice | undefined
  constructor(protocol: 'http/1.1' | 'h2' | 'auto') {
    this.upstreams = new Upstreams({ clock: systemClock, protocol })
  }
  get pool() {
    return this.upstreams.pool({ host: '127.0.0.1', port: (this.backend.address() as AddressInfo).port, tls })
  }
  async start(): Promise<this> {
    this.backend.listen(0, '127.0.0.1')
    await once(this.backend, 'listening')
    this.front = await listen({
      port: 0,
      host: '127.0.0.1',
      clock: systemClock,
      tls: new ReloadableTls(serving),
      onRequest: (exchange) => {
        const finish = new Deferred<Outcome>()
        this.outcomes.push(finish)
        exchange.onFinish(finish.resolve)
        const ctx = new RequestContext(exchange, systemClock)
        ctx.user = user
        ctx.auditId = 'audit-1'
        ctx.recover = (_, e) => {
          const error = StatusError.from(e)
          if (exchange.phase === 'waiting') ctx.answer(error.code, ['X-Made-By', 'front'], Buffer.from(error.message))
          else exchange.abort(e)
        }
        const send = (): void =>
          forward(ctx, {
            rules: this.rules,
            endpoints: this.endpoints ?? onlyEndpoint(this.pool.address, () => this.pool),
            longRunning: false,
            firstByteTimeoutMs: this.firstByteTimeoutMs,
          })
        if (this.admitted) void this.admitted.then(send)
        else send()
      },
    })
    return this
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.front.close({ graceMs: 0 })
    await this.upstreams[Symbol.asyncDispose]()
    this.backend.close()
  }
}

const flush = (r: object): void => {
  if ('flushHeaders' in r && typeof r.flushHeaders === 'function') r.flushHeaders()
}

type Answer = {
  status: number
  headers: readonly string[]
  body: string
  trailers: readonly string[]
  informed: number[]
}
type Call = { method?: string; path?: string; headers?: string[]; body?: string | Buffer }
async function viaHttp1(port: number, call: Call): Promise<Answer> {
  const request = https.request({
    port,
    host: '127.0.0.1',
    ca: ca.cert,
    method: call.method ?? 'GET',
    path: call.path ?? '/',
    agent: false,
    headers: ['Host', 'front.example', ...(call.headers ?? [])],
  })
  const informed: number[] = []
  request.on('information', (i) => informed.push(i.statusCode))
  request.end(call.body)
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode!, headers: response.rawHeaders, body, trailers: response.rawTrailers, informed }
}
async function viaHttp2(port: number, call: Call): Promise<Answer> {
  const session = http2.connect(`https://localhost:${port}`, { ca: ca.cert })
  try {
    const stream = session.request([
      ':method',
      call.method ?? 'GET',
      ':path',
      call.path ?? '/',
      ':authority',
      'front.example',
      ...(call.headers ?? []).map((h, i) => (i % 2 ? h : h.toLowerCase())),
    ])
    const informed: number[] = []
    stream.on('headers', (h) => informed.push(Number(h[':status'])))
    let trailers: readonly string[] = []
    stream.on('trailers', (_t, _f, raw: string[]) => {
      trailers = raw
    })
    stream.end(call.body)
    const [head, , raw] = (await once(stream, 'response')) as [Record<string, unknown>, number, string[]]
    let body = ''
    for await (const chunk of stream) body += chunk
    return { status: Number(head[':status']), headers: raw, body, trailers, informed }
  } finally {
    session.destroy()
  }
}
const value = (headers: readonly string[], name: string): string | undefined => {
  for (let i = 0; i < headers.length; i += 2) if (headers[i]!.toLowerCase() === name) return headers[i + 1]
  return undefined
}
const values = (headers: readonly string[], name: string): string[] =>
  headers.filter((_, i) => i % 2 === 1 && headers[i - 1]!.toLowerCase() === name)

for (const [frontName, client] of [
  ['HTTP/1.1', viaHttp1],
  ['HTTP/2', viaHttp2],
] as const) {
  for (const protocol of ['http/1.1', 'h2'] as const) {
    describe(`forward: ${frontName} to ${protocol}`, () => {
      const rig = new Rig(protocol)
      before(() => rig.start())
      after(() => rig[Symbol.asyncDispose]())
      const call = (c: Call): Promise<Answer> => client(rig.front.port, c)

      test('an answer arrives with its status, headers and body; target and method went unchanged', async () => {
        let seen: unknown
        rig.handler = (q, r) => {
          seen = [q.method, q.url, q.httpVersionMajor]
          r.writeHead(201, { 'X-A': ['1', '2'], 'Cache-Control': 'no-store' })
          r.end('hello')
        }
        const a = await call({ method: 'DELETE', path: '/apis/x//a%2Fb/../c?b=%20&a;c&d' })
        assert.deepEqual([a.status, a.body, values(a.headers, 'x-a')], [201, 'hello', ['1', '2']])
        assert.deepEqual(values(a.headers, 'cache-control'), ['no-store'])
        assert.deepEqual(seen, ['DELETE', '/apis/x//a%2Fb/../c?b=%20&a;c&d', protocol === 'h2' ? 2 : 1])
      })
      test('who is calling is told by us alone', async () => {
        let raw: string[] = []
        rig.handler = (q, r) => {
          raw = q.rawHeaders
          r.end()
        }
        await call({
          headers: [
            'X-Remote-User',
            'root',
            'x_remote_group',
            'system:masters',
            'Impersonate-User',
            'root',
            'X-Remote-Extra-Foo',
            'x',
            'Authorization',
            'Bearer t',
            'X-Forwarded-For',
            '1.2.3.4',
            'Audit-ID',
            'mine',
            'X-Keep',
            'yes',
          ],
        })
        assert.deepEqual(values(raw, 'x-remote-user'), ['jane'])
        assert.deepEqual(values(raw, 'x-remote-group'), ['dev', 'ops'])
        assert.deepEqual(values(raw, 'x-remote-uid'), ['u-1'])
        assert.deepEqual(values(raw, 'x-remote-extra-scopes%2f%c3%a9'), ['a', 'b'])
        for (const name of ['x_remote_group', 'impersonate-user', 'x-remote-extra-foo', 'authorization'])
          assert.deepEqual(values(raw, name), [], name)
        assert.deepEqual(values(raw, 'x-forwarded-for'), ['1.2.3.4, 127.0.0.1'])
        assert.deepEqual(
          [value(raw, 'x-forwarded-host'), value(raw, 'x-forwarded-proto'), value(raw, 'x-forwarded-uri')],
          ['front.example', 'https', '/'],
        )
        assert.deepEqual([values(raw, 'audit-id'), value(raw, 'x-keep')], [['audit-1'], 'yes'])
      })
      test('bodies go both ways, whole', async () => {
        rig.handler = (q, r) => {
          r.writeHead(200)
          q.pipe(r)
        }
        for (const size of [0, 1, 70_000, 3_000_000]) {
          const body = Buffer.alloc(size, 'b')
          for (const headers of [[], ['Content-Length', String(size)]])
            assert.equal((await call({ method: 'POST', body, headers })).body.length, size)
        }
      })
      test('empty answers: 204, HEAD, content-length 0', async () => {
        rig.handler = (_q, r) => {
          r.writeHead(204)
          r.end()
        }
        assert.equal((await call({})).status, 204)
        rig.handler = (_q, r) => {
          r.writeHead(200, { 'content-length': 0 })
          r.end()
        }
        assert.equal((await call({})).body, '')
        rig.handler = (_q, r) => {
          r.writeHead(200, { 'content-length': 5 })
          r.end()
        }
        assert.equal(value((await call({ method: 'HEAD' })).headers, 'content-length'), '5')
        rig.handler = (_q, r) => {
          r.writeHead(304, { etag: 'x' })
          r.end()
        }
        assert.equal((await call({})).status, 304)
      })
      test('1xx and trailers go on', async () => {
        rig.handler = (_q, r) => {
          r.writeEarlyHints({ link: '</x>' })
          r.writeHead(200, { trailer: 'x-sum' })
          r.write('a')
          r.addTrailers({ 'x-sum': '7' })
          r.end('b')
        }
        const a = await call({})
        assert.deepEqual([a.body, a.informed, a.trailers.map((t) => t.toLowerCase())], ['ab', [103], ['x-sum', '7']])
      })
      test('a redirect is refused, with nothing of the backend in it', async () => {
        rig.handler = (_q, r) => {
          r.writeHead(302, { location: 'https://evil.example/', 'x-b': '1' })
          r.end('go')
        }
        const a = await call({})
        assert.deepEqual(
          [a.status, a.body, value(a.headers, 'x-b')],
          [502, 'the backend attempted to redirect this request, which is not permitted', undefined],
        )
      })
      test('a backend sets no CORS headers and no audit id', async () => {
        rig.handler = (_q, r) => {
          r.writeHead(200, { 'access-control-allow-origin': '*', 'audit-id': 'theirs', vary: 'x' })
          r.end()
        }
        const a = await call({})
        assert.deepEqual(
          [value(a.headers, 'access-control-allow-origin'), value(a.headers, 'audit-id'), value(a.headers, 'vary')],
          [undefined, undefined, 'x'],
        )
      })
      test('the head of a silent watch arrives at once', async () => {
        const gone = new Deferred()
        rig.handler = (_q, r) => {
          r.on('close', () => gone.resolve())
          flush(r)
        }
        const session = http2.connect(`https://localhost:${rig.front.port}`, { ca: ca.cert })
        const stream = session.request({ ':path': '/watch' })
        await once(stream, 'response')
        session.destroy()
        await gone.promise
      })
      test('clients that leave free the backend: 50 of 50', async () => {
        const open = new Set<object>()
        let gone = new Deferred()
        rig.handler = (_q, r) => {
          open.add(r)
          r.on('close', () => {
            open.delete(r)
            if (open.size === 0) gone.resolve()
          })
          r.writeHead(200)
          r.write('event\n')
        }
        gone = new Deferred()
        const ends: (() => void)[] = []
        await Promise.all(
          Array.from({ length: 50 }, async () => {
            if (client === viaHttp2) {
              const session = http2.connect(`https://localhost:${rig.front.port}`, { ca: ca.cert })
              const stream = session.request({ ':path': '/watch' })
              stream.on('error', () => {})
              await once(stream, 'data')
              ends.push(() => {
                stream.close(http2.constants.NGHTTP2_CANCEL)
                stream.once('close', () => session.destroy())
              })
            } else {
              const request = https.get({ port: rig.front.port, host: '127.0.0.1', ca: ca.cert, agent: false })
              request.on('error', () => {})
              const [response] = (await once(request, 'response')) as [http.IncomingMessage]
              response.on('error', () => {})
              await once(response, 'data')
              ends.push(() => request.destroy())
            }
          }),
        )
        assert.equal(open.size, 50)
        for (const end of ends) end()
        await gone.promise
      })
      test('a backend that dies in the middle never makes a whole answer', async () => {
        for (const headers of [{}, { 'content-length': 1_000 }]) {
          rig.handler = (q, r) => {
            r.writeHead(200, headers)
            r.write('half')
            setImmediate(() => (q.socket as TLSSocket).destroy())
          }
          await assert.rejects(call({}))
          assert.equal((await rig.outcomes.at(-1)!.promise).kind, 'aborted')
        }
      })
      test('a backend that dies before its answer is a 503', async () => {
        rig.handler = (q) => {
          ;(q.socket as TLSSocket).destroy()
        }
        const a = await call({ method: 'POST', body: 'x' })
        assert.equal(a.status, 503)
        assert.match(a.body, /^error trying to reach service: /)
      })
      test('a first byte that takes too long is a 503', async () => {
        rig.firstByteTimeoutMs = 30
        rig.handler = () => {}
        const a = await call({})
        rig.firstByteTimeoutMs = undefined
        assert.deepEqual([a.status, a.body], [503, 'error trying to reach service: context deadline exceeded'])
      })
    })
  }
}

for (const protocol of ['http/1.1', 'h2'] as const)
  test(`a client that went before its request could be sent leaves nothing behind (${protocol})`, async () => {
    await using rig = await new Rig(protocol).start()
    const seen: (string | undefined)[] = []
    rig.handler = (q, r) => {
      seen.push(q.url)
      r.end()
    }
    rig.endpoints = onlyEndpoint(rig.pool.address, () => rig.pool)
    const admitted = new Deferred()
    rig.admitted = admitted.promise
    const request = https.get({ port: rig.front.port, host: '127.0.0.1', ca: ca.cert, agent: false, path: '/gone' })
    request.on('error', () => {})
    await untilTurn('it is there', () => rig.outcomes.length === 1)
    request.destroy()
    assert.equal((await rig.outcomes[0]!.promise).kind, 'client-gone')
    admitted.resolve()
    assert.equal((await viaHttp1(rig.front.port, { path: '/next' })).status, 200)
    assert.deepEqual(seen, ['/next'])
    assert.equal(rig.endpoints.pick(false)!.inFlight, 0)
  })

import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import https from 'node:https'
import { after, before, describe, test } from 'node:test'
import { connect as tlsConnect, type TLSSocket } from 'node:tls'
import { systemClock } from '../lib/clock.ts'
import { Deferred } from '../lib/deferred.ts'
import { makeCA, makeCertificate } from './certificates.ts'
import type { Exchange, Outcome, VerifiedCertificate } from './exchange.ts'
import { listen, type Listener } from './listener.ts'
import { ReloadableTls } from './tls-context.ts'

const DAY = 86_400_000
const validity = { notBeforeMs: Date.now() - DAY, notAfterMs: Date.now() + DAY }
const ca = makeCA({ commonName: 'test ca', ...validity })
const proxyCA = makeCA({ commonName: 'proxy ca', ...validity })
const serving = makeCertificate(
  { commonName: 'server', names: ['localhost', '127.0.0.1', '::1'], usages: ['server'], ...validity },
  ca,
)

type Answer = { status: number; headers: string[]; body: string; trailers: string[]; informed: number[] }
type Call = { method?: string; path?: string; headers?: string[]; body?: string; cert?: { cert: string; key: string } }
/** One request on a connection of its own. */
type Client = (port: number, call: Call) => Promise<Answer>

const viaHttp1: Client = async (port, call) => {
  const request = https.request({
    port,
    host: '127.0.0.1',
    ca: ca.cert,
    method: call.method ?? 'GET',
    path: call.path ?? '/',
    agent: false,
    headers: ['Host', 'localhost', ...(call.headers ?? [])],
    ...call.cert,
  })
  const informed: number[] = []
  request.on('information', (i) => informed.push(i.statusCode))
  request.end(call.body)
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage]
  let body = ''
  for await (const chunk of response) body += chunk
  return { status: response.statusCode!, headers: response.rawHeaders, body, trailers: response.rawTrailers, informed }
}
const viaHttp2: Client = async (port, call) => {
  const session = http2.connect(`https://localhost:${port}`, {
    ca: ca.cert,
    ...call.cert,
    settings: { maxHeaderListSize: 4_000_000 },
    maxSendHeaderBlockLength: 4_000_000,
  })
  try {
    await once(session, 'connect')
    const stream = session.request([
      ':method',
      call.method ?? 'GET',
      ':path',
      call.path ?? '/',
      ...(call.headers ?? []).map((h, i) => (i % 2 ? h : h.toLowerCase())),
    ])
    const informed: number[] = []
    stream.on('headers', (h) => informed.push(Number(h[':status'])))
    let trailers: string[] = []
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

const text = (s: string): Uint8Array => Buffer.from(s)
const read = async (e: Exchange): Promise<string> => {
  let body = ''
  for await (const chunk of e.body()) body += chunk
  return body
}
const value = (headers: readonly string[], name: string): string | undefined => {
  for (let i = 0; i < headers.length; i += 2) if (headers[i]!.toLowerCase() === name) return headers[i + 1]
  return undefined
}

for (const [name, client, protocol] of [
  ['HTTP/1.1', viaHttp1, 'http/1.1'],
  ['HTTP/2', viaHttp2, 'h2'],
] as const) {
  describe(`listener over ${name}`, () => {
    let listener: Listener
    let handler: (e: Exchange) => void | Promise<void>
    const outcomes: Outcome[] = []
    const tls = new ReloadableTls({ ...serving, clientCA: ca.cert, frontProxyCA: proxyCA.cert })
    before(async () => {
      listener = await listen({
        port: 0,
        host: '127.0.0.1',
        clock: systemClock,
        tls,
        onRequest: (e) => {
          e.onFinish((o) => outcomes.push(o))
          void handler(e)
        },
      })
    })
    after(() => listener.close({ graceMs: 0 }))

    test('a small answer gets its content-length and a date', async () => {
      handler = (e) => {
        e.respond(200, ['X-A', '1', 'X-A', '2'])
        e.end(text('hello'))
      }
      const a = await client(listener.port, { path: '/p%2Fq?x=%20' })
      assert.equal(a.body, 'hello')
      assert.equal(value(a.headers, 'content-length'), '5')
      assert.ok(value(a.headers, 'date'))
    })
    test('target, method and headers arrive as they were sent', async () => {
      let seen: unknown
      handler = (e) => {
        seen = [e.method, e.target, e.headers.all('x-group'), e.connection.protocol, e.hasBody]
        e.respond(204, [])
        e.end()
      }
      const a = await client(listener.port, {
        method: 'PATCH',
        path: '/a%2Fb//c/../d?q=1',
        headers: ['X-Group', 'a', 'X-Group', 'b'],
      })
      assert.equal(a.status, 204)
      assert.deepEqual((seen as unknown[]).slice(0, 4), ['PATCH', '/a%2Fb//c/../d?q=1', ['a', 'b'], protocol])
    })
    test('a body arrives whole, and is echoed with back-pressure', async () => {
      const sent = 'x'.repeat(3_000_000)
      handler = (e) => {
        e.respond(200, [])
        const body = e.body()
        body.on('data', (c: Buffer) => {
          if (!e.write(c)) {
            body.pause()
            e.onDrain(() => body.resume())
          }
        })
        body.on('end', () => e.end())
      }
      const a = await client(listener.port, { method: 'POST', body: sent })
      assert.equal(a.body.length, sent.length)
      assert.equal(outcomes.at(-1)!.bytesIn, sent.length)
    })
    test('an unread body does not keep the answer back', async () => {
      handler = (e) => {
        e.respond(413, [])
        e.end(text('no'))
      }
      const a = await client(listener.port, { method: 'POST', body: 'x'.repeat(100_000) })
      assert.equal(a.status, 413)
    })
    test('a destroyed body stream leaves the answer alone', async () => {
      handler = (e) => {
        const b = e.body()
        b.once('data', () => {
          b.destroy()
          e.respond(413, [])
          e.end(text('too large'))
        })
      }
      const a = await client(listener.port, { method: 'POST', body: 'x'.repeat(300_000) })
      assert.equal(a.body, 'too large')
    })
    test('Expect: 100-continue is answered when the body is first asked for', async () => {
      handler = async (e) => {
        const b = await read(e)
        e.respond(200, [])
        e.end(text(b))
      }
      const a = await client(listener.port, {
        method: 'POST',
        headers: ['Expect', '100-continue', 'Content-Length', '4'],
        body: 'body',
      })
      assert.deepEqual([a.body, a.informed], ['body', [100]])
    })
    test('1xx and trailers go out', async () => {
      handler = (e) => {
        e.inform(103, ['Link', '</x>'])
        e.respond(200, [])
        e.write(text('a'))
        e.end(text('b'), ['X-Sum', '7'])
      }
      const a = await client(listener.port, {})
      assert.deepEqual([a.body, a.informed, a.trailers.map((t) => t.toLowerCase())], ['ab', [103], ['x-sum', '7']])
    })
    test('HEAD and 304 have no body', async () => {
      handler = (e) => {
        e.respond(200, ['Content-Length', '5'])
        e.end(text('hello'))
      }
      const a = await client(listener.port, { method: 'HEAD' })
      assert.deepEqual([a.body, value(a.headers, 'content-length')], ['', '5'])
      handler = (e) => {
        e.respond(304, ['ETag', '"x"'])
        e.end()
      }
      assert.equal((await client(listener.port, {})).status, 304)
    })
    test('an aborted answer never looks complete', async () => {
      const finish = new Deferred<Outcome>()
      handler = (e) => {
        e.onFinish(finish.resolve)
        e.respond(200, [])
        e.write(text('half'))
        setImmediate(() => e.abort(new Error('upstream died')))
      }
      await assert.rejects(client(listener.port, {}))
      assert.equal((await finish.promise).kind, 'aborted')
    })
    test('a content-length that is not met breaks the answer', async () => {
      handler = (e) => {
        e.respond(200, ['Content-Length', '10'])
        e.write(text('half'))
        setImmediate(() => e.end())
      }
      await assert.rejects(client(listener.port, {}))
    })
    test('a header value with a line break is refused', async () => {
      handler = (e) => {
        assert.throws(() => e.respond(200, ['X-A', 'a\r\nSet-Cookie: x']), TypeError)
        e.respond(200, [])
        e.end()
      }
      assert.equal((await client(listener.port, {})).status, 200)
    })
    test('2,000 group headers arrive; beyond the limit they are a 431, never fewer', async () => {
      let groups = 0
      handler = (e) => {
        groups = e.headers.all('x-remote-group').length
        e.respond(200, [])
        e.end()
      }
      const many = (n: number): string[] => Array.from({ length: n }, (_, i) => ['X-Remote-Group', `group-${i}`]).flat()
      assert.equal((await client(listener.port, { headers: many(2_000) })).status, 200)
      assert.equal(groups, 2_000)
      assert.equal((await client(listener.port, { headers: many(4_100) })).status, 431)
    })
    test('client certificates: which CA they chain to is told apart; unfit ones are bad, none is not', async () => {
      let seen: VerifiedCertificate | undefined
      let bad: boolean | undefined
      const now = (): VerifiedCertificate | undefined => seen
      handler = (e) => {
        seen = e.connection.clientCertificate
        bad = e.connection.hasBadCertificate
        e.respond(200, [])
        e.end()
      }
      const request = { commonName: 'jane', organizations: ['dev', 'ops'], ...validity }
      await client(listener.port, {})
      assert.deepEqual([seen, bad], [undefined, false])
      await client(listener.port, { cert: makeCertificate({ ...request, usages: ['client'] }, ca) })
      assert.deepEqual(
        [now()?.commonName, now()?.organizations, now()?.chainsTo],
        ['jane', ['dev', 'ops'], { clientCA: true, frontProxyCA: false }],
      )
      await client(listener.port, { cert: makeCertificate({ ...request }, proxyCA) })
      assert.deepEqual(now()?.chainsTo, { clientCA: false, frontProxyCA: true })
      assert.equal(bad, false)
      const unfit = [
        makeCertificate({ ...request, usages: ['server'] }, ca),
        makeCertificate(request, makeCA({ commonName: 'test ca', ...validity })),
        makeCertificate({ ...request, notAfterMs: Date.now() - 1000 }, ca),
        makeCertificate({ ...request, notBeforeMs: Date.now() + 3_600_000 }, ca),
      ]
      for (const cert of unfit) {
        await client(listener.port, { cert })
        assert.deepEqual([seen, bad], [undefined, true])
      }
    })
  })
}

test('a client that leaves ends its request with client-gone, on both protocols', async () => {
  const finish: Deferred<Outcome>[] = [new Deferred(), new Deferred()]
  let n = 0
  const started: Deferred[] = [new Deferred(), new Deferred()]
  await using listener = await listen({
    port: 0,
    host: '127.0.0.1',
    clock: systemClock,
    tls: new ReloadableTls(serving),
    onRequest: (e) => {
      const i = n++
      e.onFinish(finish[i]!.resolve)
      e.respond(200, [], true)
      assert.equal(e.signal.aborted, false)
      started[i]!.resolve()
    },
  })
  const socket = tlsConnect({ port: listener.port, ca: ca.cert, servername: 'localhost' })
  socket.on('error', () => {})
  socket.write('GET /watch HTTP/1.1\r\nHost: x\r\n\r\n')
  await started[0]!.promise
  socket.destroy()
  assert.equal((await finish[0]!.promise).kind, 'client-gone')
  const session = http2.connect(`https://localhost:${listener.port}`, { ca: ca.cert })
  const stream = session.request({ ':path': '/watch' })
  stream.on('error', () => {})
  await started[1]!.promise
  stream.close(http2.constants.NGHTTP2_CANCEL)
  assert.equal((await finish[1]!.promise).kind, 'client-gone')
  session.destroy()
})

async function rawTls(port: number, cert?: { cert: string; key: string }): Promise<TLSSocket> {
  const socket = tlsConnect({ port, host: '127.0.0.1', ca: ca.cert, servername: 'localhost', ...cert })
  await once(socket, 'secureConnect')
  return socket
}

test('a CA that is replaced no longer vouches for open connections', async () => {
  const jane = makeCertificate({ commonName: 'jane', ...validity }, ca)
  const tls = new ReloadableTls({ ...serving, clientCA: ca.cert })
  const seen: (string | undefined)[] = []
  await using listener = await listen({
    port: 0,
    host: '127.0.0.1',
    clock: systemClock,
    tls,
    onRequest: (e) => {
      seen.push(e.connection.clientCertificate?.commonName)
      e.respond(200, [])
      e.end()
    },
  })
  const session = http2.connect(`https://localhost:${listener.port}`, { ca: ca.cert, ...jane })
  const first = session.request({ ':path': '/' })
  first.resume()
  await once(first, 'close')
  const goaway = once(session, 'goaway')
  tls.update({ clientCA: proxyCA.cert })
  await goaway
  assert.deepEqual(seen, ['jane'])
  session.destroy()
})

test('close(): what is in flight finishes, then connections end', async () => {
  const inFlight: Exchange[] = []
  const started = new Deferred()
  const listener = await listen({
    port: 0,
    host: '127.0.0.1',
    clock: systemClock,
    tls: new ReloadableTls(serving),
    onRequest: (e) => {
      inFlight.push(e)
      if (inFlight.length === 2) started.resolve()
    },
  })
  const idle = await rawTls(listener.port)
  const answers = [viaHttp1(listener.port, {}), viaHttp2(listener.port, {})]
  await started.promise
  const closed = listener.close({ graceMs: 60_000 })
  idle.resume()
  await once(idle, 'close')
  for (const e of inFlight) {
    e.respond(200, [])
    e.end(text('late'))
  }
  assert.deepEqual(
    (await Promise.all(answers)).map((a) => a.body),
    ['late', 'late'],
  )
  await closed
})

/** Trailers, in both directions and protocols: what says who is calling, frames a message or belongs to one connection ends here. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { CLIENT_PREFACE, Flag, FrameType } from '../../src/http/http2/frames.ts'
import { HpackDecoder } from '../../src/http/http2/hpack-decoder.ts'
import { answerTrailers, endToEndTrailers } from '../../src/proxy/end-to-end-headers.ts'
import { block, data, FrameReader, frame, headers, LAST_FLAGS, settings } from '../harness/http2-frames.ts'
import { policyOf, putPolicy, RAW_PATH, type RawBackend, registerRaw, startRawBackend } from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { openTls } from '../harness/tls-socket.ts'
import { untilTurn } from '../harness/until.ts'

const limited = { timeout: 60_000 }
/** What a client may not bring, in the letters of HTTP/2. */
const IDENTITY = [
  'x-remote-user',
  'x-remote-uid',
  'x-remote-group',
  'x-remote-extra-scopes',
  'x_remote_user',
  'x-custom-user',
  'impersonate-user',
  'impersonate-group',
  'impersonate-extra-a',
  'authorization',
  'proxy-authorization',
  'cookie',
  'audit-id',
  'x-forwarded-for',
  'x-forwarded-host',
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'trailer',
  'expect',
  'te',
  'if-match',
  'sec-websocket-protocol',
]
/** What a backend may not say behind its answer. */
const STEERING = [
  'access-control-allow-origin',
  'audit-id',
  'set-cookie',
  'www-authenticate',
  'proxy-authenticate',
  'content-length',
  'content-type',
  'warning',
  'location',
  'retry-after',
  'x-remote-user',
]
/** HTTP/1.1 alone can carry these at all. */
const HTTP1_ONLY = [
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'proxy-connection',
  'x-listed',
  'x-listed-by-trailer',
]
const GOOD = 'x-checksum'

test('trailers by themselves: a rule for each kind of name', () => {
  const keep = (): boolean => false
  const cases: readonly [trailers: string[], head: string[], kept: string[]][] = [
    [[], [], []],
    [['X-Sum', '1', 'grpc-status', '0'], [], ['X-Sum', '1', 'grpc-status', '0']],
    [['TE', 'trailers', 'Trailer', 'x', 'Connection', 'X-A', 'X-A', '1'], [], []],
    [
      ['X-A', '1', 'x-b', '2'],
      ['Connection', 'close, x-a'],
      ['x-b', '2'],
    ],
    [['Content_Length', '1', 'X_Remote_Group', 'system:masters', 'If-None-Match', '*'], [], []],
  ]
  for (const [trailers, head, kept] of cases) assert.deepEqual(endToEndTrailers(trailers, head, keep), kept)
  assert.deepEqual(
    endToEndTrailers(['a', '1', 'b', '2'], [], (name) => name === 'a'),
    ['b', '2'],
  )
  assert.deepEqual(answerTrailers(['Audit-ID', '1', 'b', '2'], []), ['b', '2'])
})

describe('trailers through the proxy', limited, () => {
  let portico: TestServer
  const backends: Partial<Record<'http/1.1' | 'h2', RawBackend>> = {}
  /** Of the last request. */
  let seen: string[] | undefined
  before(async () => {
    portico = await startTestServer(['--requestheader-username-headers=X-Remote-User,X-Custom-User'])
    for (const protocol of ['http/1.1', 'h2'] as const) {
      const backend = await startRawBackend(portico)
      backends[protocol] = backend
      backend.handler = (request, response) => {
        request.resume()
        request.on('end', () => {
          seen = (request as unknown as { rawTrailers: string[] }).rawTrailers
          const fields = (names: readonly string[]): [string, string][] =>
            names.map((name) => [name, name === 'connection' ? 'x-listed-by-trailer' : 'v'])
          if (protocol === 'http/1.1') {
            const lines = fields([...STEERING, ...HTTP1_ONLY, GOOD]).map(([name, value]) => `${name}: ${value}\r\n`)
            const head = 'HTTP/1.1 200 OK\r\nConnection: close, x-listed\r\nTransfer-Encoding: chunked\r\n'
            request.socket.end(`${head}\r\n2\r\n{}\r\n0\r\n${lines.join('')}\r\n`)
            return
          }
          const answer = response as unknown as { addTrailers(o: object): void }
          answer.addTrailers(Object.fromEntries(fields([...STEERING, GOOD])))
          response.end('{}')
        })
      }
    }
    await registerRaw(portico, policyOf([backends.h2!]))
  })
  after(async () => {
    await portico.stop()
    for (const backend of Object.values(backends)) await backend.close()
  })

  /** @returns the names of the answer's trailers. */
  const clients = {
    'http/1.1': async (): Promise<string[]> => {
      const socket = await openTls(portico, 'http/1.1')
      let text = ''
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
      const trailers = [...IDENTITY, ...HTTP1_ONLY, GOOD].map(
        (name) => `${name}: ${name === 'connection' ? 'x-listed-by-trailer' : name === 'te' ? 'trailers' : 'v'}\r\n`,
      )
      socket.write(
        `POST ${RAW_PATH}/things HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: te, x-listed\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n${trailers.join('')}\r\n`,
      )
      await untilTurn('the answer is whole', () => /\r\n0\r\n(?:.*\r\n)*\r\n$/.test(text))
      socket.destroy()
      assert.match(text, /^HTTP\/1\.1 200 /)
      return [.../\r\n0\r\n((?:.*\r\n)*)\r\n$/.exec(text)![1]!.matchAll(/^([^:\r\n]+):/gm)].map((m) =>
        m[1]!.toLowerCase(),
      )
    },
    h2: async (): Promise<string[]> => {
      const socket = await openTls(portico, 'h2')
      const reader = new FrameReader()
      socket.on('data', (chunk: Buffer) => reader.take(chunk))
      const head = block(
        ':method',
        'POST',
        ':scheme',
        'https',
        ':path',
        `${RAW_PATH}/things`,
        ':authority',
        'a',
        'te',
        'trailers',
      )
      const trailers = block(...[...IDENTITY, GOOD].flatMap((name) => [name, name === 'te' ? 'trailers' : 'v']))
      socket.write(
        Buffer.concat([
          CLIENT_PREFACE,
          settings(),
          headers(1, head),
          data(1, '{}'),
          frame(FrameType.headers, LAST_FLAGS, 1, trailers),
        ]),
      )
      const ended = (): boolean =>
        reader.frames.some((f) => f.stream === 1 && f.type < 2 && (f.flags & Flag.endStream) !== 0)
      await untilTurn('the answer is whole', ended)
      socket.destroy()
      const decoder = new HpackDecoder({ maxHeaderBytes: 65_536, maxHeaderCount: 100 })
      const blocks = reader.frames
        .filter((f) => f.type === FrameType.headers && f.stream === 1)
        .map((f) => decoder.decode(f.payload, 0, f.payload.length))
      assert.deepEqual(blocks[0]!.pseudo, [':status', '200'])
      return blocks.length < 2 ? [] : blocks.at(-1)!.fields.filter((_, i) => i % 2 === 0)
    },
  }
  for (const client of ['http/1.1', 'h2'] as const) {
    for (const backend of ['http/1.1', 'h2'] as const) {
      test(`client ${client}, backend ${backend}: only what means nothing to a server goes on`, limited, async () => {
        await putPolicy(
          portico,
          policyOf([backends[backend]!], { connections: { protocol: backend === 'h2' ? 'HTTP2' : 'HTTP1' } }),
        )
        seen = undefined
        const before = backends[backend]!.seen.length
        let answered: string[] = []
        for (let i = 0; i < 200 && backends[backend]!.seen.length === before; i++) answered = await clients[client]()
        assert.deepEqual(seen, [GOOD, 'v'])
        assert.deepEqual(answered, [GOOD])
      })
    }
  }
})

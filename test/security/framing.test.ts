/**
 * Requests whose framing or target is none, against a whole server: they are answered alike on our own paths and on those
 * of a backend, and at once.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import { after, before, describe, test } from 'node:test'
import { CLIENT_PREFACE, Flag, FrameType } from '../../src/http/http2/frames.ts'
import { block, data, FrameReader, frame, headers, LAST_FLAGS, settings, uint32 } from '../harness/http2-frames.ts'
import {
  answerText,
  policyOf,
  RAW_PATH,
  type RawBackend,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { openTls } from '../harness/tls-socket.ts'
import { untilTurn } from '../harness/until.ts'

const limited = { timeout: 60_000 }
const OWN_PATH = '/api/v1/namespaces/default/configmaps'

describe('framing and targets', limited, () => {
  let portico: TestServer
  let backend: RawBackend
  const bodies: string[] = []
  before(async () => {
    portico = await startTestServer()
    backend = await startRawBackend(portico)
    await registerRaw(portico, policyOf([backend]))
    backend.handler = (request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        // Of a stream that was reset Node tells the end, too.
        if (response.stream?.aborted !== true) bodies.push(body)
        answerText('{}')(request, response)
      })
      request.on('error', () => {})
    }
  })
  after(async () => {
    await portico.stop()
    await backend.close()
  })

  /** @returns all that came until the server ended the connection. */
  async function send(bytes: string): Promise<string> {
    const socket = await openTls(portico, 'http/1.1')
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.write(bytes, 'latin1')
    await once(socket, 'end')
    socket.end()
    return text
  }
  const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1])

  const bad: Record<string, string> = {
    'a chunk longer than its size': '2\r\nabcd\r\n',
    'a chunk size that is none': '2\r\n{}\r\nxyz\r\n',
    'a chunk size that ends in a bare LF': '2\n{}\r\n0\r\n\r\n',
    'trailers that are none': '2\r\n{}\r\n0\r\nno colon\r\n\r\n',
  }
  for (const [name, chunks] of Object.entries(bad)) {
    for (const path of [OWN_PATH, `${RAW_PATH}/things`]) {
      test(`${name} is a 400 that ends the connection: ${path}`, limited, async () => {
        bodies.length = 0
        const answer = await send(
          `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`,
        )
        assert.match(answer, /^HTTP\/1\.1 400 [\s\S]*\r\nConnection: close\r\n[\s\S]*"reason": ?"BadRequest"/)
        assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1)
        assert.deepEqual(bodies, [], 'the backend must not take a part for the whole')
      })
    }
  }
  test('an answer in front of a body too large to be thrown away says that it is the last', limited, async () => {
    for (const [length, isLast] of [
      [4_194_304, true],
      [1_000, false],
    ] as const) {
      const socket = await openTls(portico, 'http/1.1')
      let text = ''
      socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
      socket.write(`POST /nosuch HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`)
      await untilTurn('it is answered', () => text.includes('404 page not found'))
      assert.equal(text.includes('\r\nConnection: close\r\n'), isLast)
      socket.destroy()
    }
  })
  test('where the answer has begun it is broken off, not ended', limited, async () => {
    const before = backend.handler
    backend.handler = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('{"a":')
    }
    const socket = await openTls(portico, 'http/1.1')
    let text = ''
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    const closed = once(socket, 'close')
    socket.write(`POST ${RAW_PATH}/things HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n`)
    await untilTurn('the answer begins', () => text.includes('{"a":'))
    socket.write('xyz\r\n')
    await closed
    assert.ok(text.startsWith('HTTP/1.1 200 ') && !text.endsWith('0\r\n\r\n'))
    backend.handler = before
  })

  const targets: Record<string, number> = {
    [`/${RAW_PATH}/things`]: 404,
    [`//${RAW_PATH}/things`]: 404,
    [`/%2f${RAW_PATH.slice(1)}/things`]: 404,
    [`/${OWN_PATH}`]: 404,
    '//version': 404,
    '//': 404,
    [`${RAW_PATH}/things#a`]: 400,
    [`${RAW_PATH}/things?a=b#c`]: 400,
    [`${OWN_PATH}#a`]: 400,
    '/version#': 400,
    [`${RAW_PATH}/things\\a`]: 400,
    [`${RAW_PATH}\\things`]: 400,
    [`${OWN_PATH}\\a`]: 400,
    [`\\${OWN_PATH}`]: 400,
    [`/\\${OWN_PATH.slice(1)}`]: 400,
    // What a query or an escape holds is the reader's to judge.
    [`${RAW_PATH}/things?a=\\`]: 200,
    [`${RAW_PATH}/things/a%23b`]: 200,
    [`${RAW_PATH}/things/a%5Cb`]: 200,
  }
  test('targets that two readers could take for two paths are nowhere, over both protocols', limited, async () => {
    const session = http2.connect(`https://localhost:${portico.server.port}`, {
      ...portico.pki.admin(),
      ca: portico.pki.ca().cert,
    })
    const got: Record<string, number[]> = {}
    backend.seen.length = 0
    for (const [target, status] of Object.entries(targets)) {
      const viaHttp1 = statusOf(await send(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`))
      const stream = session.request({ ':path': target })
      const [head] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & { ':status'?: number }]
      stream.resume()
      got[target] = [viaHttp1, Number(head[':status'])]
      assert.deepEqual(got[target], [status, status], target)
    }
    session.destroy()
    assert.equal(backend.seen.length, 6)
  })
  test('a head with a bare LF is refused at once, not when its end never comes', limited, async () => {
    for (const head of ['GET /version HTTP/1.1\nHost: x\n\n', 'GET /version HTTP/1.1\r\nHost: x\n\n', '\n', 'G\n'])
      assert.equal(statusOf(await send(head)), 400, JSON.stringify(head))
  })
  test('OPTIONS * is answered, and what is expected beyond 100-continue is not promised', limited, async () => {
    const close = 'Host: x\r\nConnection: close\r\n'
    assert.match(
      await send(`OPTIONS * HTTP/1.1\r\n${close}\r\n`),
      /^HTTP\/1\.1 200 [\s\S]*Content-Length: 0\r\n[\s\S]*\r\n\r\n$/,
    )
    assert.equal(statusOf(await send(`GET * HTTP/1.1\r\n${close}\r\n`)), 400)
    for (const [expectation, status] of [
      ['foo', 417],
      ['100-continue, foo', 417],
      ['', 200],
      ['100-Continue', 200],
    ] as const)
      assert.equal(
        statusOf(await send(`GET /version HTTP/1.1\r\n${close}Expect: ${expectation}\r\n\r\n`)),
        status,
        expectation,
      )
  })

  /** Sends frames behind a preface. @returns what came until `holds`, or the end. */
  async function frames(bytes: Buffer, holds: (reader: FrameReader) => boolean): Promise<FrameReader> {
    const socket = await openTls(portico, 'h2')
    const reader = new FrameReader()
    let ended = false
    socket.on('data', (chunk: Buffer) => reader.take(chunk))
    socket.on('end', () => (ended = true))
    socket.write(Buffer.concat([CLIENT_PREFACE, settings(), bytes]))
    await untilTurn('the server has its say', () => ended || holds(reader))
    socket.destroy()
    return reader
  }
  const head = (path: string, ...more: string[]): Buffer =>
    block(':method', 'GET', ':scheme', 'https', ':path', path, ':authority', 'a', ...more)
  const goaway = (reader: FrameReader): number | undefined =>
    reader.frames.find((f) => f.type === FrameType.goaway)?.payload.readUInt32BE(4)
  const answered = (stream: number) => (reader: FrameReader) =>
    reader.frames.some((f) => f.stream === stream && f.type < 2 && (f.flags & Flag.endStream) !== 0)

  test('HTTP/2: OPTIONS * is 200, an unknown expectation 417', limited, async () => {
    const options = block(':method', 'OPTIONS', ':scheme', 'https', ':path', '*', ':authority', 'a')
    const reader = await frames(
      Buffer.concat([headers(1, options, LAST_FLAGS), headers(3, head('/version', 'expect', 'foo'), LAST_FLAGS)]),
      (r) => answered(1)(r) && answered(3)(r),
    )
    const first = (stream: number): Buffer => reader.frames.find((f) => f.type === 1 && f.stream === stream)!.payload
    // Index 8 of the static table is `:status: 200`.
    assert.equal(first(1)[0], 0x88)
    assert.ok(first(3).includes('417'))
  })
  test('HTTP/2: blanks around a value are not part of it', limited, async () => {
    let seen: unknown
    backend.handler = (request, response) => {
      seen = [request.headers['user-agent'], request.headers['x-blank']]
      answerText('{}')(request, response)
    }
    const request = head(`${RAW_PATH}/things`, 'user-agent', 'tool/1 ', 'x-blank', ' \ta b\t')
    await frames(headers(1, request, LAST_FLAGS), answered(1))
    assert.deepEqual(seen, ['tool/1', 'a b'])
  })
  const over = headers(1, head('/version'), LAST_FLAGS)
  const late: readonly { name: string; first: Buffer; next: Buffer; code: number | undefined }[] = [
    { name: 'DATA behind both ends', first: over, next: data(1, 'x'), code: 5 },
    { name: 'HEADERS behind both ends', first: over, next: headers(1, head('/version'), LAST_FLAGS), code: 5 },
    {
      name: 'DATA behind a reset of the client',
      first: Buffer.concat([
        headers(1, head('/version')),
        frame(FrameType.reset, 0, 1, uint32(8)),
        headers(3, head('/version'), LAST_FLAGS),
      ]),
      next: data(1, 'x'),
      code: 5,
    },
    {
      name: 'a number below the last one, never used',
      first: headers(5, head('/version'), LAST_FLAGS),
      next: headers(3, head('/version'), LAST_FLAGS),
      code: 1,
    },
    // The server answers without reading, and resets; the client has not heard of it yet.
    {
      name: 'DATA on a stream that the server reset',
      first: headers(1, head('/version')),
      next: Buffer.concat([data(1, 'x', Flag.endStream), headers(3, head('/version'), LAST_FLAGS)]),
      code: undefined,
    },
    {
      name: 'WINDOW_UPDATE and RST_STREAM on a stream that is over',
      first: over,
      next: Buffer.concat([
        frame(FrameType.windowUpdate, 0, 1, uint32(1)),
        frame(FrameType.reset, 0, 1, uint32(8)),
        headers(3, head('/version'), LAST_FLAGS),
      ]),
      code: undefined,
    },
  ]
  for (const { name, first, next, code } of late) {
    test(`HTTP/2: ${name}: ${code === undefined ? 'the connection goes on' : `GOAWAY ${code}`}`, limited, async () => {
      const socket = await openTls(portico, 'h2')
      const reader = new FrameReader()
      socket.on('data', (chunk: Buffer) => reader.take(chunk))
      socket.write(Buffer.concat([CLIENT_PREFACE, settings(), first]))
      await untilTurn('it is answered', () => [1, 3, 5].some((stream) => answered(stream)(reader)))
      socket.write(next)
      await untilTurn(
        'the server has its say',
        () => goaway(reader) !== undefined || (code === undefined && answered(3)(reader)),
      )
      assert.equal(goaway(reader), code)
      socket.destroy()
    })
  }
})

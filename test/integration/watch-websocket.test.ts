/** A watch of a kind that is served here, over a WebSocket: HTTP/1.1 with a client of its own, HTTP/2 frame by frame. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { type ClientOptions, WebSocket } from 'ws'
import { CLIENT_PREFACE, Flag, FrameType } from '../../src/http/http2/frames.ts'
import { HpackDecoder } from '../../src/http/http2/hpack-decoder.ts'
import { block, FrameReader, frame, headers, settings } from '../harness/http2-frames.ts'
import type { SharedParts } from '../../src/app/run/wire.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { untilTurn } from '../harness/until.ts'

const limited = { timeout: 30_000 }
const PATH = '/api/v1/namespaces/default/configmaps'
interface Event {
  readonly type: string
  readonly object: { readonly metadata: { readonly name: string }; readonly code?: number }
}

class Watch {
  readonly messages: { text: string; isBinary: boolean }[] = []
  readonly socket: WebSocket
  code: number | undefined
  status: number | undefined
  refusal = ''

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (bytes: Buffer, isBinary) => this.messages.push({ text: bytes.toString('latin1'), isBinary }))
    socket.on('close', (code) => {
      this.code = code
    })
    socket.on('error', () => {})
    socket.on('unexpected-response', (_request, response) => {
      this.status = response.statusCode
      response.on('data', (chunk: Buffer) => (this.refusal += chunk.toString()))
    })
  }
  events(): Event[] {
    return this.messages.map(({ text }) => JSON.parse(text) as Event)
  }
  until(what: string, holds: () => boolean): Promise<void> {
    return untilTurn(what, holds)
  }
}

describe('watches over a WebSocket', limited, () => {
  let portico: TestServer
  let storage: Storage
  before(async () => {
    const servers = (shared: SharedParts): [] => {
      storage = shared.storage
      return []
    }
    portico = await startTestServer([], { servers })
    await portico.admin.post(PATH, { metadata: { name: 'a' }, data: { n: '0' } })
  })
  after(() => portico.stop())

  function open(query: string, protocols: string[] = [], more: ClientOptions = {}): Watch {
    const url = `wss://127.0.0.1:${portico.server.port}${PATH}?watch=true${query}`
    const { cert, key } = portico.pki.admin()
    return new Watch(new WebSocket(url, protocols, { ca: portico.pki.ca().cert, cert, key, ...more }))
  }
  const change = (name: string, n: string): Promise<unknown> =>
    portico.admin.patch(`${PATH}/${name}`, 'merge', { data: { n } })

  test('one text frame for each event, a close frame at the end of its time', limited, async () => {
    const watch = open('&timeoutSeconds=2')
    await watch.until('the state is there', () => watch.messages.length > 0)
    await change('a', '1')
    await watch.until('the change is there', () => watch.messages.length > 1)
    await watch.until('it ends', () => watch.code !== undefined)
    assert.equal(watch.code, 1000)
    assert.deepEqual(
      watch.events().map(({ type, object }) => `${type} ${object.metadata.name}`),
      ['ADDED a', 'MODIFIED a'],
    )
    assert.ok(watch.messages.every(({ text, isBinary }) => !isBinary && text.endsWith('}\n')))
  })
  for (const protocol of ['base64.binary.k8s.io', 'binary.k8s.io']) {
    test(`the sub-protocol is echoed, and the frames are text: ${protocol}`, limited, async () => {
      const watch = open('', [protocol])
      await watch.until('the state is there', () => watch.messages.length > 0)
      assert.equal(watch.socket.protocol, protocol)
      assert.deepEqual([watch.messages[0]!.isBinary, watch.events()[0]!.type], [false, 'ADDED'])
      watch.socket.close()
      await watch.until('it ends', () => watch.code !== undefined)
    })
  }
  test('protobuf comes in binary frames, one event each, without a length in front', limited, async () => {
    const watch = open('', [], { headers: { accept: 'application/vnd.kubernetes.protobuf' } })
    await watch.until('the state is there', () => watch.messages.length > 0)
    // Field 1 of the event, `type`, is a text of five bytes.
    assert.ok(watch.messages[0]!.isBinary && watch.messages[0]!.text.startsWith('\n\u0005ADDED\u0012'))
    assert.ok(watch.messages[0]!.text.includes('k8s\0'))
    watch.socket.terminate()
  })
  test('what is wrong with the revision is an ERROR frame, and the end', limited, async () => {
    // No watch cache of secrets is there yet: its history begins where that of the storage does.
    await storage.compact(await storage.currentRevision())
    const rows: readonly [path: string, code: number][] = [
      ['/api/v1/namespaces/default/secrets?watch=true&resourceVersion=1', 410],
      [`${PATH}?watch=true&resourceVersion=99999999&sendInitialEvents=true&resourceVersionMatch=NotOlderThan`, 504],
    ]
    for (const [path, code] of rows) {
      const url = `wss://127.0.0.1:${portico.server.port}${path}`
      const watch = new Watch(new WebSocket(url, { ca: portico.pki.ca().cert, ...portico.pki.admin() }))
      await watch.until('it ends', () => watch.code !== undefined || watch.refusal !== '')
      assert.deepEqual(
        watch.events().map(({ type, object }) => [type, object.code]),
        [['ERROR', code]],
        watch.refusal,
      )
      assert.equal(watch.code, 1_000)
    }
  })
  test('what cannot be watched is answered as without a WebSocket', limited, async () => {
    const rows: readonly [query: string, protocols: string[], more: ClientOptions, status: number, says: RegExp][] = [
      ['&resourceVersion=abc', [], {}, 500, /Invalid value/],
      ['', ['a', 'b'], {}, 400, /sub-protocol/],
      ['', [], { protocolVersion: 8 }, 400, /missing or bad WebSocket Version/],
      ['', [], { headers: { accept: 'application/yaml' } }, 406, /NotAcceptable/],
      ['', [], { cert: '', key: '' }, 403, /cannot watch/],
    ]
    for (const [query, protocols, more, status, says] of rows) {
      const watch = open(query, protocols, more)
      await watch.until('it is answered', () => watch.refusal !== '')
      assert.equal(watch.status, status)
      assert.match(watch.refusal, says)
    }
  })
  test('a ping is answered, a close is echoed, and the cache has one watcher less', limited, async () => {
    const watch = open('')
    await watch.until('the state is there', () => watch.messages.length > 0)
    watch.socket.ping('hello')
    const [pong] = (await once(watch.socket, 'pong')) as [Buffer]
    assert.equal(pong.toString(), 'hello')
    watch.socket.send('a message that means nothing'.repeat(10_000))
    watch.socket.close(4_321)
    await watch.until('it ends', () => watch.code !== undefined)
    assert.equal(watch.code, 4_321)
  })
  test('what no client may send ends it with 1002', limited, async () => {
    const watch = open('')
    await watch.until('the state is there', () => watch.messages.length > 0)
    // Unmasked.
    const raw = watch.socket as unknown as { _socket: TLSSocket }
    raw._socket.write(Buffer.from([0x81, 0x01, 0x61]))
    await watch.until('it ends', () => watch.code !== undefined)
    assert.equal(watch.code, 1_002)
  })
  test('a token among the sub-protocols is who asks, and is not echoed', limited, async () => {
    const token = Buffer.from('nobody').toString('base64url')
    const watch = open('', [`base64url.bearer.authorization.k8s.io.${token}`, 'x'], { cert: '', key: '' })
    await watch.until('it is answered', () => watch.refusal !== '')
    assert.equal(watch.status, 401)
  })
  test('the server stops: the watch ends with a close frame', limited, async () => {
    await using server = await startTestServer()
    const url = `wss://127.0.0.1:${server.server.port}${PATH}?watch=true`
    const watch = new Watch(new WebSocket(url, { ca: server.pki.ca().cert, ...server.pki.admin() }))
    await once(watch.socket, 'open')
    const stopped = server.stop()
    await watch.until('it ends', () => watch.code !== undefined)
    assert.equal(watch.code, 1_000)
    await stopped
  })

  test('HTTP/2: by extended CONNECT', limited, async () => {
    const { cert, key } = portico.pki.admin()
    const socket = connect({
      port: portico.server.port,
      host: 'localhost',
      ca: portico.pki.ca().cert,
      cert,
      key,
      ALPNProtocols: ['h2'],
    })
    const reader = new FrameReader()
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => reader.take(chunk))
    const head = block(
      ':method',
      'CONNECT',
      ':protocol',
      'websocket',
      ':scheme',
      'https',
      ':path',
      `${PATH}?watch=true&timeoutSeconds=1`,
      ':authority',
      'a',
      'sec-websocket-version',
      '13',
      'sec-websocket-protocol',
      'base64.binary.k8s.io',
    )
    socket.write(Buffer.concat([CLIENT_PREFACE, settings(), headers(1, head)]))
    const bytes = (): Buffer =>
      Buffer.concat(reader.frames.filter((f) => f.type === FrameType.data && f.stream === 1).map((f) => f.payload))
    const ping = Buffer.from([0x89, 0x81, 1, 2, 3, 4, 0x61 ^ 1])
    socket.write(frame(FrameType.data, 0, 1, ping))
    await untilTurn('it ends', () =>
      reader.frames.some((f) => f.stream === 1 && f.type === 0 && (f.flags & Flag.endStream) !== 0),
    )
    const answer = reader.frames.find((f) => f.type === FrameType.headers)!.payload
    const decoded = new HpackDecoder({ maxHeaderBytes: 65_536, maxHeaderCount: 100 }).decode(answer, 0, answer.length)
    assert.deepEqual(decoded.pseudo, [':status', '200'])
    assert.ok(decoded.fields.join(' ').includes('sec-websocket-protocol base64.binary.k8s.io'))
    assert.ok(!decoded.fields.includes('sec-websocket-accept'))
    const all = bytes()
    assert.ok(all.includes(Buffer.from('{"type":"ADDED"')))
    assert.ok(all.includes(Buffer.from([0x8a, 0x01, 0x61])), 'the pong')
    assert.ok(all.subarray(-4).equals(Buffer.from([0x88, 0x02, 0x03, 0xe8])), 'the close frame')
    socket.destroy()
  })
})

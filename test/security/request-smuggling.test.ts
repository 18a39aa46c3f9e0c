/** What a client may send on the wire: requests that two servers could read in two ways are refused before any handler sees them. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { fc } from '../harness/property.ts'
import { listen, type Listener } from '../../src/http/listener.ts'
import { FakeClock } from '../../src/lib/fake-clock.ts'

type Seen = { method: string; target: string; body: string }

describe('HTTP/1.1 requests on the wire', () => {
  const clock = new FakeClock()
  let listener: Listener
  let seen: Seen[] = []
  before(async () => {
    listener = await listen({
      port: 0,
      host: '127.0.0.1',
      clock,
      limits: { maxHeaderBytes: 65_536, maxHeaderCount: 100 },
      onRequest: (exchange) => {
        const mine: Seen = { method: exchange.method, target: exchange.target, body: '' }
        seen.push(mine)
        const body = exchange.body()
        body.on('data', (d: Buffer) => {
          mine.body += d.toString('latin1')
        })
        body.on('end', () => {
          exchange.respond(200, [])
          exchange.end(Buffer.from('ok'))
        })
        body.on('error', () => {
          if (exchange.phase !== 'waiting') return
          exchange.respond(400, [])
          exchange.end()
        })
      },
    })
  })
  after(() => listener.close({ graceMs: 0 }))

  async function open(): Promise<Socket> {
    const socket = connect(listener.port, '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    return socket
  }
  /** Sends bytes, then a FIN once `answers` answers are there. @returns all that came back. */
  async function send(bytes: string, answers = 1): Promise<string> {
    seen = []
    const socket = await open()
    let text = ''
    socket.on('data', (d: Buffer) => {
      text += d.toString('latin1')
      if ((text.match(/HTTP\/1\.1 [2-5]\d\d/g)?.length ?? 0) >= answers) socket.end()
    })
    socket.write(bytes, 'latin1')
    await once(socket, 'close')
    return text
  }

  const head = 'POST /a HTTP/1.1\r\nHost: x\r\n'
  const refused: Record<string, [bytes: string, status: number]> = {
    'both lengths': [
      `${head}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`,
      400,
    ],
    'two content-lengths': [`${head}Content-Length: 0\r\nContent-Length: 5\r\n\r\nGET /`, 400],
    'equal content-lengths': [`${head}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`, 400],
    'a list of content-lengths': [`${head}Content-Length: 1, 1\r\n\r\na`, 400],
    'a signed content-length': [`${head}Content-Length: +1\r\n\r\na`, 400],
    'transfer-encoding with a tab and more': [`${head}Transfer-Encoding:\tchunked, identity\r\n\r\n0\r\n\r\n`, 501],
    'transfer-encoding that is not chunked': [`${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 501],
    'transfer-encoding in HTTP/1.0': ['POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    'a blank before the colon': [`${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`, 400],
    'obs-fold': [`${head}X: a\r\n Transfer-Encoding: chunked\r\n\r\n`, 400],
    'bare LF between headers': ['GET / HTTP/1.1\nHost: x\r\n\r\n', 400],
    'bare CR in a value': ['GET / HTTP/1.1\r\nHost: x\r\nX: a\rX-Remote-User: root\r\n\r\n', 400],
    'NUL in a name': ['GET / HTTP/1.1\r\nHost: x\r\nX\0Y: a\r\n\r\n', 400],
    'no host': ['GET / HTTP/1.1\r\n\r\n', 400],
    'two hosts': ['GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400],
    'a host with a path': ['GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
    'a blank in the target': ['GET /a b HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    'a target without a slash': ['GET a HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    CONNECT: ['CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n', 405],
    'another version': ['GET / HTTP/3.0\r\nHost: x\r\n\r\n', 505],
    'the HTTP/2 preface': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505],
    'too many headers': [`GET / HTTP/1.1\r\nHost: x\r\n${'X: y\r\n'.repeat(101)}\r\n`, 431],
    'headers that are too large': [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'y'.repeat(70_000)}\r\n\r\n`, 431],
  }
  for (const [name, [bytes, status]] of Object.entries(refused)) {
    test(`refused: ${name}`, async () => {
      assert.match(await send(bytes), new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*Connection: close`))
      assert.deepEqual(seen, [])
    })
  }
  test('chunks that are none end the connection, and no second request comes of them', async () => {
    for (const chunks of [
      '2\r\nabc\r\n0\r\n\r\n',
      'x\r\n',
      '2;a\nb\r\nab\r\n0\r\n\r\n',
      '-1\r\n',
      '0x2\r\nab\r\n0\r\n\r\n',
      '2\nab\r\n0\r\n\r\n',
    ]) {
      const answer = await send(
        `${head}Transfer-Encoding: chunked\r\n\r\n${chunks}GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n`,
      )
      assert.match(answer, /^HTTP\/1\.1 400 [\s\S]*Connection: close\r\n\r\n$/, chunks)
      assert.ok(!seen.some((s) => s.target === '/smuggled'), chunks)
    }
  })
  test('pipelined requests are answered in order, each with its own body', async () => {
    const text = await send(
      `${head}Content-Length: 3\r\n\r\nabcPOST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nde\r\n0\r\n\r\nGET http://y/c?d HTTP/1.1\r\nHost: x\r\n\r\n`,
      3,
    )
    assert.equal(text.match(/HTTP\/1\.1 200/g)?.length, 3)
    assert.deepEqual(seen, [
      { method: 'POST', target: '/a', body: 'abc' },
      { method: 'POST', target: '/b', body: 'de' },
      { method: 'GET', target: '/c?d', body: '' },
    ])
  })
  for (const path of ['//a', '/a/../b', '/a%2fb', '/%2e%2e/', '/a;b', '/a//', '/a?b=%00&&c', '/\\a', '/a#b']) {
    test(`a target reaches the handler as it is: ${path}`, async () => {
      await send(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
      assert.equal(seen[0]?.target, path)
    })
  }

  test('time limits: idle, slow headers, slow bodies', async () => {
    const idle = await open()
    const slowHead = await open()
    slowHead.write('GET / HT')
    const slowBody = await open()
    slowBody.write(`${head}Content-Length: 5\r\n\r\nab`)
    seen = []
    while (seen.length === 0 || [...listener.connections].length < 3)
      await new Promise((resolve) => setImmediate(resolve))
    let refusal = ''
    slowHead.on('data', (d: Buffer) => {
      refusal += d.toString()
    })
    const closed = [idle, slowHead, slowBody].map((s) => once(s.resume(), 'close'))
    // The bytes of all three may come one turn later.
    await new Promise((resolve) => setTimeout(resolve, 20))
    for (let i = 0; i < 95; i++) clock.advance(1_000)
    idle.end()
    slowHead.end()
    await Promise.all(closed)
    assert.match(refusal, /^HTTP\/1\.1 408 /)
  })

  test('whatever it takes for requests, a second parser reads alike', async (t) => {
    const runs = process.env['PORTICO_SOAK'] === '1' ? 50_000 : 1_500
    const theirs: Seen[] = []
    const other = http.createServer((request, response) => {
      const mine: Seen = { method: request.method!, target: request.url!, body: '' }
      theirs.push(mine)
      request.on('data', (d: Buffer) => {
        mine.body += d.toString('latin1')
      })
      request.on('end', () => response.end())
    })
    other.listen(0, '127.0.0.1')
    t.after(() => other.close())
    await once(other, 'listening')
    const part = fc.constantFrom(
      'Content-Length: 3\r\n',
      'Content-Length: 0\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Connection: keep-alive\r\n',
      'X: y\r\n',
      'X:\r\n',
      '\r\n',
      '\n',
      '\r',
      ' ',
      'abc',
      '3\r\nabc\r\n',
      '0\r\n\r\n',
      '3;e=f\r\nabc\r\n',
      '-1\r\n',
      'GET /second HTTP/1.1\r\nHost: x\r\n',
      'T: 1\r\n',
    )
    let taken = 0
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 9 }), async (parts) => {
        const bytes = `POST /first HTTP/1.1\r\nHost: x\r\n${parts.join('')}`
        seen = []
        theirs.length = 0
        await exchangeBytes(listener.port, bytes)
        const whole = seen.filter((s) => s.target !== '')
        await exchangeBytes((other.address() as AddressInfo).port, bytes)
        taken += whole.length
        // Ours may refuse more, never read something else.
        for (const [i, mine] of whole.entries()) {
          // Any token is a method (RFC 9110, 9.1); the second parser ends at one that it does not know.
          if (!http.METHODS.includes(mine.method)) break
          const second = theirs[i]
          assert.ok(second, `only ours took ${JSON.stringify(mine)} from ${JSON.stringify(bytes)}`)
          assert.deepEqual([mine.method, mine.target], [second.method, second.target])
          if (i < whole.length - 1) assert.equal(mine.body, second.body)
        }
      }),
      { numRuns: runs, examples: [[['\r\n', 'abc', 'GET /second HTTP/1.1\r\nHost: x\r\n', '\r\n']]] },
    )
    assert.ok(taken > runs / 20, `only ${taken} requests were taken`)
  })
})

/** Sends all, half-closes, and waits for the other side's end. */
async function exchangeBytes(port: number, bytes: string): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  socket.on('error', () => {})
  socket.resume()
  socket.on('end', () => socket.end())
  socket.end(bytes, 'latin1')
  await once(socket, 'close')
}

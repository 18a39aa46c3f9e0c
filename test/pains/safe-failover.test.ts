/** Requests are sent to another endpoint where that can do no harm, and never a second time where it could. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { policyOf, RAW_PATH, type RawHandler, registerRaw, startRawBackend } from '../harness/raw-backend.ts'
import { startTestServer } from '../harness/server.ts'
import { untilTurn } from '../harness/until.ts'

const path = `${RAW_PATH}/things`

/** Of a retry's body, where the policy says nothing. */
const DEFAULT_MAX_BODY_BYTES = 262_144
/** So many bytes, no two parts of them alike: a piece that is lost, doubled or moved shows. */
const numbered = (bytes: number): string =>
  Array.from({ length: Math.ceil(bytes / 8) }, (_, i) => String(i).padStart(8, '0'))
    .join('')
    .slice(0, bytes)
/** Takes the whole body, then says that it did nothing with it (REFUSED_STREAM). */
const refuseRead: RawHandler = (request, response) => {
  request.resume()
  request.on('end', () => response.stream?.close(7))
}

describe('requests are sent to another endpoint where that can do no harm', () => {
  const reset: RawHandler = (request) => void request.socket.destroy()
  const rows: readonly {
    name: string
    method: string
    body?: string
    fault: RawHandler
    again: boolean
    retries?: object
  }[] = [
    { name: 'a GET whose connection is reset before the answer', method: 'GET', fault: reset, again: true },
    { name: 'a POST that the backend may have seen', method: 'POST', body: '{}', fault: reset, again: false },
    { name: 'a PUT that the backend may have seen', method: 'PUT', body: '{}', fault: reset, again: false },
    {
      name: 'a POST whose stream was refused',
      method: 'POST',
      body: '{"a":1}',
      fault: (_request, response) => response.stream?.close(7),
      again: true,
    },
    {
      name: 'a refused POST whose body is larger than may be kept',
      method: 'POST',
      body: 'x'.repeat(100),
      fault: refuseRead,
      again: false,
      retries: { maxBodyBytes: 99 },
    },
    {
      name: 'a refused POST whose body is just as large as is kept by default',
      method: 'POST',
      body: numbered(DEFAULT_MAX_BODY_BYTES),
      fault: refuseRead,
      again: true,
    },
    {
      name: 'a refused POST whose body is one byte larger than is kept by default',
      method: 'POST',
      body: numbered(DEFAULT_MAX_BODY_BYTES + 1),
      fault: refuseRead,
      again: false,
    },
    {
      name: 'a POST on a connection that goes away before it (GOAWAY)',
      method: 'POST',
      body: '{"a":1}',
      fault: (_request, { stream }) => stream?.session?.goaway(0, stream.id! - 2),
      again: true,
    },
    {
      name: 'a POST that a connection which goes away had taken',
      method: 'POST',
      body: '{"a":1}',
      fault: (_request, { stream }) => {
        stream?.session?.goaway(0, stream.id)
        stream?.session?.destroy()
      },
      again: false,
    },
    { name: 'a GET where retries are off', method: 'GET', fault: reset, again: false, retries: { attempts: 0 } },
    { name: 'a GET without a budget', method: 'GET', fault: reset, again: false, retries: { budgetPercent: 0 } },
  ]
  for (const { name, method, body, fault, again, retries = {} } of rows) {
    test(`${name}: ${again ? 'sent again' : 'not sent again'}`, async () => {
      await using portico = await startTestServer()
      await using bad = await startRawBackend(portico, { host: '127.0.0.2', handler: fault })
      const bodies: string[] = []
      await using good = await startRawBackend(portico, {
        host: '127.0.0.3',
        handler: (request, response) => {
          let text = ''
          request.on('data', (chunk: Buffer) => (text += chunk.toString()))
          request.on('end', () => {
            bodies.push(text)
            response.end('{}')
          })
        },
      })
      await registerRaw(portico, policyOf([bad, good], { circuitBreaker: { disabled: true }, retries }))
      const options = body === undefined ? {} : { body }
      let attempts: unknown
      let refused = 0
      // Until the bad endpoint had its turn; ejection comes after three failures only.
      for (let i = 0; bad.seen.length === 0; i++) {
        assert.ok(i < 100, 'the bad endpoint is chosen now and then')
        const answer = await portico.admin.request(method, path, options)
        attempts = answer.headers['x-portico-attempts']
        if (answer.status === 503) refused++
        else assert.equal(answer.status, 200, answer.text)
      }
      assert.deepEqual([refused, attempts], again ? [0, '2'] : [1, undefined])
      if (again && body !== undefined) assert.ok(bodies.length > 0 && bodies.every((b) => b === body), 'whole')
    })
  }

  test('an endpoint that refuses connections costs no request an error, and is left out', async () => {
    await using portico = await startTestServer()
    const gone = await startRawBackend(portico, { host: '127.0.0.2' })
    await using good = await startRawBackend(portico, { host: '127.0.0.3' })
    await registerRaw(portico, policyOf([gone, good]))
    await gone.close()
    for (let i = 0; i < 60; i++) {
      const answer = await portico.admin.request(i % 2 === 0 ? 'GET' : 'POST', path, i % 2 === 0 ? {} : { body: '{}' })
      assert.equal(answer.status, 200, answer.text)
    }
    const metrics = (await portico.admin.get('/metrics')).text
    assert.match(
      metrics,
      /portico_proxy_endpoint_ejections_total\{backend="v1.raw.example.com",endpoint="127.0.0.2:\d+"\} 1/,
    )
  })
})

test('a rolling restart of three endpoints under load, half of it POST: no error, no request twice', async () => {
  await using portico = await startTestServer()
  const posted: string[] = []
  const handler: RawHandler = (request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      if (request.method === 'POST') posted.push(body)
      response.end('{}')
    })
  }
  await using a = await startRawBackend(portico, { host: '127.0.0.1', handler })
  await using b = await startRawBackend(portico, { host: '127.0.0.2', handler })
  await using c = await startRawBackend(portico, { host: '127.0.0.3', handler })
  await registerRaw(portico, policyOf([a, b, c]))
  let stop = false
  let sent = 0
  const wrong: string[] = []
  const one = async (n: number): Promise<void> => {
    const { status, text } = n % 2 === 0 ? await portico.admin.get(path) : await portico.admin.post(path, `post ${n}`)
    if (status !== 200) wrong.push(`${status} ${text}`)
  }
  const load = Array.from({ length: 16 }, async () => {
    while (!stop) await one(sent++)
  })
  const more = async (n: number): Promise<void> => {
    const goal = sent + n
    await untilTurn(`${n} more requests`, () => sent >= goal, 60_000)
  }
  await more(300)
  for (const backend of [a, b, c]) {
    await backend.restart()
    await more(300)
  }
  stop = true
  await Promise.all(load)
  assert.deepEqual(wrong, [])
  assert.equal(new Set(posted).size, posted.length)
  assert.equal(posted.length, Math.floor(sent / 2))
})

test('two of three endpoints refuse connections: no request fails, POSTs neither, however many come', async () => {
  await using portico = await startTestServer()
  const handler: RawHandler = (request, response) => {
    request.resume()
    request.on('end', () => response.end('{}'))
  }
  await using left = await startRawBackend(portico, { host: '127.0.0.1', handler })
  const gone = [
    await startRawBackend(portico, { host: '127.0.0.2', handler }),
    await startRawBackend(portico, { host: '127.0.0.3', handler }),
  ]
  await registerRaw(portico, policyOf([left, ...gone]))
  assert.equal((await portico.admin.get(path)).status, 200)
  for (const backend of gone) await backend[Symbol.asyncDispose]()
  const wrong: string[] = []
  for (let n = 0; n < 1_000; n++) {
    const { status, text } = n % 2 === 0 ? await portico.admin.get(path) : await portico.admin.post(path, '{}')
    if (status !== 200) wrong.push(`${n}: ${status} ${text}`)
  }
  assert.deepEqual(wrong, [])
})

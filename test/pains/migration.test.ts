/** A resource that moves to another server while clients write to it and watch it: no error, nothing lost, nothing twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendPolicySpec } from '../../src/api/backend-policy.ts'
import {
  answerText,
  namedBackend,
  putPolicy,
  RAW_PATH,
  type RawBackend,
  type RawHandler,
  type RawResponse,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { untilTurn } from '../harness/until.ts'
import { type OpenWatch, openWatch } from '../harness/watches.ts'

const PATH = `${RAW_PATH}/moves`
const WRITERS = 8
const READERS = 4
/** Writes that arrive at a server before the next step is taken. */
const ENOUGH = 40

interface Arrived {
  readonly server: string
  /** `POST post-3-7`, `PUT object-2 5`. */
  readonly write: string
}

/** What both servers keep their objects in, as two versions of an API server share an etcd: watches of either see all. */
class SharedObjects {
  readonly arrived: Arrived[] = []
  readonly reads: string[] = []
  readonly #watching = new Map<RawResponse, string>()

  count(server: string): number {
    return this.arrived.filter((a) => a.server === server).length
  }
  watchesOn(server: string): number {
    return [...this.#watching.values()].filter((s) => s === server).length
  }
  handlerOf(server: string): RawHandler {
    return (request, response) => {
      if (request.method === 'GET' && request.url.includes('watch=1')) {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.write(eventOf('BOOKMARK'))
        this.#watching.set(response, server)
        response.on('close', () => this.#watching.delete(response))
        return
      }
      if (request.method === 'GET') {
        this.reads.push(server)
        return answerText('{}')(request, response)
      }
      let body = ''
      request.on('data', (chunk: Buffer) => (body += chunk.toString()))
      request.on('end', () => {
        const write = `${request.method} ${body}`
        this.arrived.push({ server, write })
        for (const watch of this.#watching.keys()) watch.write(eventOf(write))
        answerText(JSON.stringify({ server, write }), request.method === 'POST' ? 201 : 200)(request, response)
      })
    }
  }
}
const eventOf = (name: string): string => `${JSON.stringify({ type: 'MODIFIED', object: { name } })}\n`
const eventsOf = (watch: OpenWatch): string[] =>
  watch
    .seen()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => (JSON.parse(line) as { object: { name: string } }).object.name)

interface Load extends AsyncDisposable {
  /** Writes that were answered well. */
  readonly answered: readonly string[]
  /** The first thing that went wrong ends the load. */
  readonly wrong: readonly string[]
  stop(): Promise<void>
}
/** Clients that each send one request after the other until they are told to stop. Each PUTs its own object, number by number. */
function load(portico: TestServer): Load {
  const [answered, wrong]: [string[], string[]] = [[], []]
  let stopped = false
  const send = async (method: string, path: string, body?: string): Promise<void> => {
    const wanted = method === 'POST' ? 201 : 200
    const answer = await portico.admin
      .request(method, path, body === undefined ? {} : { body })
      .catch((e: Error) => ({ status: 0, text: e.message }))
    if (answer.status !== wanted) wrong.push(`${method} ${body}: ${answer.status} ${answer.text}`)
    else if (body !== undefined) answered.push(`${method} ${body}`)
  }
  const writer = async (_: unknown, id: number): Promise<void> => {
    for (let n = 0; !stopped && wrong.length === 0; n++) {
      await send('POST', PATH, `post-${id}-${n}`)
      await send('PUT', `${PATH}/object-${id}`, `object-${id} ${n}`)
    }
  }
  const reader = async (): Promise<void> => {
    while (!stopped && wrong.length === 0) await send('GET', PATH)
  }
  const running = [
    ...Array.from({ length: WRITERS }).map(writer),
    ...Array.from({ length: READERS }).map(() => reader()),
  ]
  const stop = async (): Promise<void> => {
    stopped = true
    await Promise.all(running)
  }
  return { answered, wrong, stop, [Symbol.asyncDispose]: stop }
}

const atOnce = (backends: readonly RawBackend[], to: string): Omit<BackendPolicySpec, 'targets'> => ({
  backends: [namedBackend('default', backends[0]!), namedBackend('next', backends[1]!)],
  routes: [{ matches: [{ resources: ['moves'] }], to: [{ backend: to }] }],
})

test('a resource moves there and back under writes and watches: no error, no write lost or doubled, no watch ended', async () => {
  await using portico = await startTestServer()
  const objects = new SharedObjects()
  const start = (host: string, server: string): Promise<RawBackend> =>
    startRawBackend(portico, { host, resources: ['moves'], handler: objects.handlerOf(server) })
  await using old = await start('127.0.0.1', 'old')
  await using next = await start('127.0.0.2', 'next')
  await registerRaw(portico, atOnce([old, next], 'default'))
  const watching = (): Promise<OpenWatch> => openWatch(portico.admin, `${PATH}?watch=1`)
  const before = await Promise.all(Array.from({ length: 10 }, watching))
  await using clients = load(portico)
  const more = async (server: string): Promise<void> => {
    const goal = objects.count(server) + ENOUGH
    await untilTurn(
      `${ENOUGH} more writes arrive at ${server}`,
      () => objects.count(server) >= goal || clients.wrong.length > 0,
    )
    assert.deepEqual(clients.wrong, [])
  }
  await more('old')
  await putPolicy(portico, atOnce([old, next], 'next'))
  await more('next')
  assert.deepEqual([objects.watchesOn('old'), objects.watchesOn('next')], [10, 0], 'open watches stay where they are')
  const after = await watching()
  await untilTurn('a new watch is on the new server', () => objects.watchesOn('next') === 1)
  await more('next')
  await putPolicy(portico, atOnce([old, next], 'default'))
  await more('old')
  await clients.stop()

  assert.deepEqual(clients.wrong, [])
  const arrived = objects.arrived.map((a) => a.write)
  assert.deepEqual(arrived.toSorted(), clients.answered.toSorted(), 'each write arrived once')
  assert.equal(new Set(arrived).size, arrived.length)
  for (let id = 0; id < WRITERS; id++) {
    const own = arrived.filter((w) => w.startsWith(`PUT object-${id} `))
    assert.deepEqual(
      own,
      own.map((_, n) => `PUT object-${id} ${n}`),
      'in the order in which they were sent',
    )
  }
  assert.deepEqual([...new Set(objects.reads)].toSorted(), ['next', 'old'])
  for (const watch of [...before, after])
    await untilTurn('the last event has come', () => eventsOf(watch).at(-1) === arrived.at(-1))
  for (const watch of before) assert.deepEqual(eventsOf(watch), ['BOOKMARK', ...arrived])
  const late = eventsOf(after).slice(1)
  assert.deepEqual(late, arrived.slice(-late.length))
  assert.deepEqual(
    [...before, after].filter((w) => w.ended()),
    [],
  )
})

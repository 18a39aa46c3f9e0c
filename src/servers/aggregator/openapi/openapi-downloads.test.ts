import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { APIService } from '../../../api/apiservice.ts'
import { runWorkers } from '../../../client/controller.ts'
import type { EventHandler } from '../../../client/informer.ts'
import { ObjectStore } from '../../../client/object-store.ts'
import { WorkQueue } from '../../../client/work-queue.ts'
import { WorkQueueMetrics } from '../../../client/work-queue-metrics.ts'
import { FakeClock } from '../../../lib/fake-clock.ts'
import { nextTurn } from '../../../lib/next-turn.ts'
import { noopLogger } from '../../../observability/logger.ts'
import { noopMetrics } from '../../../observability/metrics.ts'
import { type DescribedBackend, OpenApiDownloads } from './openapi-downloads.ts'
import { openApiWork } from './openapi-work.ts'

const NAME = 'v1.g.io'
const MINUTE_MS = 60_000
const apiService: APIService = {
  metadata: { name: NAME, uid: '1' },
  spec: { group: 'g.io', version: 'v1', service: { name: 'a' }, groupPriorityMinimum: 1, versionPriority: 1 },
}
const v2 = (path: string): object => ({ swagger: '2.0', paths: { [`/apis/g.io/v1/${path}`]: {} }, definitions: {} })

type Answer = { etag?: string; body: object } | Error
/** Backends with these documents, each with the ETag given; everything else is a 404. */
function setUp(
  version: 'v3' | 'v2',
  answers: Record<string, Answer | Promise<Answer>>,
  others: readonly APIService[] = [],
) {
  const clock = new FakeClock()
  const store = new ObjectStore<APIService>()
  for (const one of [apiService, ...others]) store.set(one)
  const asked: string[] = []
  let onAsked = (_path: string): void => {}
  const statuses: number[] = []
  const conditions: string[] = []
  const backend: { -readonly [K in keyof DescribedBackend]: DescribedBackend[K] } = {
    available: true,
    isRemote: true,
    policy: { openApi: true },
    sources: [
      {
        direct: () => {},
        documentKey: 'a',
        isLocal: false,
        share: { name: 'a', owners: new Map(), fallback: 'a' },
      },
    ],
  }
  let handler: EventHandler<APIService> | undefined
  let availabilityChanged = (_name: string): void => {}
  const queue = new WorkQueue({ clock, metrics: new WorkQueueMetrics(noopMetrics).bind('test') })
  const downloads = new OpenApiDownloads({
    version,
    informer: {
      lister: store,
      addHandler: (h) => {
        handler = h
        return () => {}
      },
    },
    backendOf: () => backend,
    onNewBackend: () => {},
    queue,
    view: {
      subscribe: (changed) => {
        availabilityChanged = changed
        return () => true
      },
    },
    conditions: {
      want: (_a, c) => void conditions.push(`${c.type}=${c.status}`),
      wantFalse: () => {},
    },
    transportTo:
      () =>
      async ({ path, headers }) => {
        asked.push(path)
        onAsked(path)
        const answer = await answers[path]
        if (answer instanceof Error) throw answer
        const known = answer?.etag !== undefined && headers['if-none-match'] === answer.etag
        const status = answer ? (known ? 304 : 200) : 404
        statuses.push(status)
        return {
          status,
          headers: { etag: answer?.etag },
          body: ReadableStream.from(answer && !known ? [Buffer.from(JSON.stringify(answer.body))] : []),
        }
      },
    local: () => undefined,
    run: async (name, input) => openApiWork[name](input as never) as never,
    clock,
    log: noopLogger,
  })
  const stop = new AbortController()
  const running = runWorkers(
    { name: 'test', workers: 1 + others.length, queue, reconciler: downloads, log: noopLogger },
    stop.signal,
  )
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await nextTurn()
  }
  return {
    answers,
    asked,
    onAsked: (fn: (path: string) => void) => {
      onAsked = fn
    },
    statuses,
    backend,
    clock,
    conditions,
    downloads,
    handler: () => handler!,
    availabilityChanged: (name: string) => availabilityChanged(name),
    settle,
    begin: async (): Promise<void> => {
      await downloads.begin()
      await settle()
    },
    paths: (): string[] =>
      [...downloads.documents.value.values()].flatMap(({ document }) =>
        document
          ? Object.keys((JSON.parse(Buffer.from(document.bytes).toString('utf8')) as { paths: object }).paths)
          : [],
      ),
    [Symbol.asyncDispose]: async () => {
      stop.abort()
      queue[Symbol.dispose]()
      await running
    },
  }
}

test('OpenAPI downloads: nothing before somebody reads, whatever changes', async () => {
  await using s = setUp('v2', { '/openapi/v2': { body: v2('things') } })
  s.handler().added?.(apiService)
  s.handler().updated?.(apiService, { ...apiService, spec: { ...apiService.spec, versionPriority: 2 } })
  s.availabilityChanged(NAME)
  s.clock.advance(10 * MINUTE_MS)
  await s.settle()
  assert.deepEqual(s.asked, [])
})

test('OpenAPI downloads: asked once, then every minute by ETag, and what did not change is the same object', async () => {
  await using s = setUp('v2', { '/openapi/v2': { etag: '"1"', body: v2('things') } })
  await s.begin()
  assert.deepEqual([s.asked.length, s.paths()], [1, ['/apis/g.io/v1/things']])
  const first = s.downloads.documents.value.get(NAME)?.document
  s.clock.advance(MINUTE_MS)
  await s.settle()
  assert.equal(s.asked.length, 2)
  assert.equal(s.downloads.documents.value.get(NAME)?.document, first)
  s.answers['/openapi/v2'] = { etag: '"2"', body: v2('others') }
  s.clock.advance(MINUTE_MS)
  await s.settle()
  assert.deepEqual([s.statuses, s.paths()], [[200, 304, 200], ['/apis/g.io/v1/others']])
})

test('OpenAPI downloads: version 3 is downloaded again when its hash changes, and version 2 is left alone', async () => {
  const index = (hash: string) => ({
    body: { paths: { 'apis/g.io/v1': { serverRelativeURL: `/openapi/v3/apis/g.io/v1?hash=${hash}` } } },
  })
  const document = { body: { paths: { '/apis/g.io/v1/things': {}, '/api/v1/secrets': {} } } }
  await using s = setUp('v3', {
    '/openapi/v3': index('A'),
    '/openapi/v3/apis/g.io/v1?hash=A': document,
    '/openapi/v3/apis/g.io/v1?hash=B': document,
    '/openapi/v2': { body: v2('old') },
  })
  await s.begin()
  assert.deepEqual(s.asked.splice(0), ['/openapi/v3', '/openapi/v3/apis/g.io/v1?hash=A'])
  assert.deepEqual(s.paths(), ['/apis/g.io/v1/things'], 'a backend speaks for its own group version alone')
  s.clock.advance(MINUTE_MS)
  await s.settle()
  assert.deepEqual(s.asked.splice(0), ['/openapi/v3'])
  s.answers['/openapi/v3'] = index('B')
  s.clock.advance(MINUTE_MS)
  await s.settle()
  assert.deepEqual(s.asked.splice(0), ['/openapi/v3', '/openapi/v3/apis/g.io/v1?hash=B'])
})

const listed = (hash: string): Answer => ({
  body: { paths: { 'apis/g.io/v1': { serverRelativeURL: `/openapi/v3/apis/g.io/v1?hash=${hash}` } } },
})
const documentOf = (name: string): Answer => ({ body: { paths: { [`/apis/g.io/v1/${name}`]: {} } } })

test('OpenAPI downloads: a rollout between index and document is read again at once', async () => {
  const answers: Record<string, Answer> = {
    '/openapi/v3': listed('OLD'),
    '/openapi/v3/apis/g.io/v1?hash=NEW': documentOf('new'),
  }
  await using s = setUp('v3', answers)
  // The replica that answers for the document has another one: 404 for the old hash, the index tells the new one.
  s.onAsked((path) => {
    if (path.endsWith('?hash=OLD')) s.answers['/openapi/v3'] = listed('NEW')
  })
  await s.begin()
  assert.deepEqual(s.paths(), ['/apis/g.io/v1/new'])
  assert.deepEqual(s.conditions, [])
  s.clock.advance(MINUTE_MS)
  await s.settle()
  assert.equal(s.asked.at(-1), '/openapi/v3', 'the hash tells that it is the same')
})

test('OpenAPI downloads: where replicas keep disagreeing, the document of whichever answers is taken, and looked at again', async () => {
  await using s = setUp('v3', { '/openapi/v3': listed('OTHER'), '/openapi/v3/apis/g.io/v1': documentOf('any') })
  await s.begin()
  assert.deepEqual(s.paths(), ['/apis/g.io/v1/any'])
  const asked = s.asked.length
  s.clock.advance(MINUTE_MS)
  await s.settle()
  assert.ok(s.asked.length > asked + 1, 'not taken for the same')
})

test('OpenAPI downloads: while somebody reads, a new document shows within 10 s; nobody costs a look a minute', async () => {
  await using s = setUp('v3', {
    '/openapi/v3': listed('A'),
    '/openapi/v3/apis/g.io/v1?hash=A': documentOf('a'),
    '/openapi/v3/apis/g.io/v1?hash=B': documentOf('b'),
  })
  await s.begin()
  s.answers['/openapi/v3'] = listed('B')
  let seconds = 0
  while (!s.paths().includes('/apis/g.io/v1/b') && seconds < 60) {
    s.clock.advance(1000)
    seconds++
    s.downloads.again()
    await s.settle()
  }
  assert.ok(seconds <= 10, `${seconds} s`)
  s.asked.splice(0)
  s.clock.advance(50_000)
  await s.settle()
  assert.deepEqual(s.asked, [])
})

test('OpenAPI downloads: a backend with version 2 alone is converted', async () => {
  await using s = setUp('v3', { '/openapi/v2': { etag: '"1"', body: v2('things') } })
  await s.begin()
  assert.deepEqual([s.asked.splice(0), s.paths()], [['/openapi/v3', '/openapi/v2'], ['/apis/g.io/v1/things']])
  assert.deepEqual(s.conditions, [])
})

test('OpenAPI downloads: one that has none is remembered, also while nobody reads, until it changes', async () => {
  await using s = setUp('v3', {})
  await s.begin()
  assert.deepEqual([s.asked.splice(0).length, s.conditions], [2, ['NoOpenAPI=True']])
  s.downloads.end()
  s.clock.advance(30 * MINUTE_MS)
  await s.begin()
  assert.deepEqual(s.asked, [])
  s.availabilityChanged(NAME)
  await s.settle()
  assert.equal(s.asked.splice(0).length, 2)
  s.clock.advance(60 * MINUTE_MS)
  await s.settle()
  assert.equal(s.asked.splice(0).length, 2, 'after an hour')
})

test('OpenAPI downloads: one that is down is not waited for, one that fails keeps its last good document', async () => {
  await using s = setUp('v2', { '/openapi/v2': { body: v2('things') } })
  s.backend.available = false
  await s.begin()
  assert.deepEqual(s.asked, [])
  s.backend.available = true
  s.availabilityChanged(NAME)
  await s.settle()
  assert.deepEqual(s.paths(), ['/apis/g.io/v1/things'])
  s.answers['/openapi/v2'] = new Error('connection refused')
  s.clock.advance(MINUTE_MS)
  await s.settle()
  assert.deepEqual([s.asked.length, s.paths()], [2, ['/apis/g.io/v1/things']])
})

test('OpenAPI downloads: when nobody reads any more, nothing is kept and nothing asked', async () => {
  await using s = setUp('v2', { '/openapi/v2': { body: v2('things') } })
  await s.begin()
  s.downloads.end()
  assert.equal(s.downloads.documents.value.size, 0)
  s.clock.advance(10 * MINUTE_MS)
  await s.settle()
  assert.equal(s.asked.length, 1)
})

test('OpenAPI downloads: four at once, and one that takes longer is no longer counted', async () => {
  const others = Array.from({ length: 9 }, (_, i) => ({
    ...apiService,
    metadata: { name: `v1.${i}.io`, uid: `u${i}` },
  }))
  const slow = Promise.withResolvers<Answer>()
  await using s = setUp('v2', { '/openapi/v2': slow.promise }, others)
  const begun = s.downloads.begin()
  const asked: number[] = []
  for (const afterMs of [0, 250]) {
    s.clock.advance(afterMs)
    await s.settle()
    asked.push(s.asked.length)
  }
  slow.resolve({ body: v2('things') })
  await begun
  // Only now: what still waits would hold up the end of a test that fails.
  assert.deepEqual([...asked, s.asked.length], [4, 8, 10])
})

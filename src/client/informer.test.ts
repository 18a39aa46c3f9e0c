import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeList, KubeObject } from '../api/meta.ts'
import { StatusError } from '../api/status-error.ts'
import { AsyncQueue } from '../../test/harness/async-queue.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { noopLogger } from '../observability/logger.ts'
import type { ListOptions, WatchEvent, WatchOptions } from './client.ts'
import { Informer } from './informer.ts'
import { objectKey } from './object-store.ts'
import { Reflector } from './reflector.ts'

const object = (name: string, resourceVersion: string, labels: Record<string, string> = {}): KubeObject => ({
  metadata: { name, namespace: 'ns', resourceVersion, labels },
})

/** Lists and watches are scripted by the test. */
class Server {
  readonly lists: ListOptions[] = []
  readonly watches: WatchOptions[] = []
  answers: (KubeList | Error)[] = []
  events = new AsyncQueue<WatchEvent<KubeObject>>()

  async list(o: ListOptions): Promise<KubeList> {
    this.lists.push(o)
    const answer = this.answers.shift() ?? new Error('no answer scripted')
    if (answer instanceof Error) throw answer
    return answer
  }
  watch(o: WatchOptions): AsyncIterable<WatchEvent<KubeObject>> {
    this.watches.push(o)
    this.events = new AsyncQueue()
    o.signal?.addEventListener('abort', () => this.events.end())
    return this.events
  }
}

function setUp(answers: (KubeList | Error)[]) {
  const clock = new FakeClock()
  const source = new Server()
  source.answers = answers
  const informer = new Informer<KubeObject>({
    source: new Reflector({ server: source, clock, log: noopLogger, random: () => 0 }),
    log: noopLogger,
  })
  informer.addIndexer('color', (o) => (o.metadata.labels?.['color'] ? [o.metadata.labels['color']] : []))
  const seen: string[] = []
  informer.addHandler({
    added: (o) => seen.push(`+${objectKey(o)}@${o.metadata.resourceVersion}`),
    updated: (before, after) => seen.push(`${before.metadata.resourceVersion}->${after.metadata.resourceVersion}`),
    deleted: (o) => seen.push(`-${objectKey(o)}@${o.metadata.resourceVersion}`),
  })
  return { clock, source, informer, seen }
}
const list = (resourceVersion: string, ...items: KubeObject[]): KubeList => ({ metadata: { resourceVersion }, items })

test('informer: the list is added, then it is synced, then changes follow', async () => {
  const { source, informer, seen } = setUp([list('10', object('a', '5', { color: 'red' }), object('b', '6'))])
  await using _ = informer
  informer.start()
  await informer.synced
  assert.deepEqual(seen, ['+ns/a@5', '+ns/b@6'])
  assert.equal(source.lists[0]?.resourceVersion, '0')
  await nextTurn()
  assert.equal(source.watches[0]?.resourceVersion, '10')
  source.events.push({ type: 'MODIFIED', object: object('a', '11', { color: 'blue' }) })
  source.events.push({ type: 'DELETED', object: object('b', '12') })
  source.events.push({ type: 'ADDED', object: object('c', '13') })
  await nextTurn()
  assert.deepEqual(seen.slice(2), ['5->11', '-ns/b@12', '+ns/c@13'])
  assert.deepEqual(informer.lister.byIndex('color', 'red'), [])
  assert.deepEqual(informer.lister.byIndex('color', 'blue').map(objectKey), ['ns/a'])
  assert.equal(informer.lister.get('ns/b'), undefined)
  assert.equal(informer.lister.list('ns').length, 2)
  assert.equal(informer.lister.list('other').length, 0)
})
test('informer: a watch that ends goes on from the last revision, bookmarks included', async () => {
  const { source, informer } = setUp([list('10')])
  await using _ = informer
  informer.start()
  await nextTurn()
  source.events.push({ type: 'ADDED', object: object('a', '11') })
  source.events.push({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '20' } } })
  source.events.end()
  await nextTurn()
  assert.equal(source.watches[1]?.resourceVersion, '20')
  assert.equal(source.lists.length, 1)
})
test('informer: after 410 it lists the latest at once, and what is gone is deleted', async () => {
  const { source, informer, seen } = setUp([
    list('10', object('a', '5'), object('b', '6')),
    { metadata: { resourceVersion: '30', continue: 'next' }, items: [object('b', '25')] },
    list('30', object('c', '26')),
  ])
  await using _ = informer
  informer.start()
  await nextTurn()
  seen.length = 0
  source.events.end(new StatusError(410, 'Expired', 'too old'))
  await nextTurn()
  assert.equal(source.lists[1]?.resourceVersion, undefined)
  assert.equal(source.lists[2]?.continue, 'next')
  assert.deepEqual(seen, ['-ns/a@5', '6->25', '+ns/c@26'])
  assert.equal(source.watches[1]?.resourceVersion, '30')
})
test('informer: a list that brings nothing new wakes no handler, and an index that comes late has what is there', async () => {
  const newer = object('a', '5', { size: 'big' })
  const { source, informer, seen } = setUp([list('10', object('a', '5', { size: 'big' })), list('30', newer)])
  await using _ = informer
  informer.start()
  await nextTurn()
  source.events.end(new StatusError(410, 'Expired', 'too old'))
  await nextTurn()
  assert.equal(source.lists.length, 2)
  assert.deepEqual(seen, ['+ns/a@5'])
  assert.equal(informer.lister.get('ns/a'), newer, 'the older one is not held any longer')
  informer.addIndexer('size', (o) => [o.metadata.labels?.['size'] ?? ''])
  assert.deepEqual(informer.lister.byIndex('size', 'big'), [newer])
})
test('informer: failures back off, longer each time, and as long as the server asks', async () => {
  const busy = new StatusError(429, 'TooManyRequests', 'later', { details: { retryAfterSeconds: 7 } })
  const { clock, source, informer } = setUp([new Error('down'), new Error('down'), busy, list('1')])
  await using _ = informer
  informer.start()
  for (const delayMs of [800, 1600, 7000]) {
    const before = source.lists.length
    await nextTurn()
    clock.advance(delayMs - 1)
    await nextTurn()
    assert.equal(source.lists.length, before)
    clock.advance(1)
    await nextTurn()
    assert.equal(source.lists.length, before + 1)
  }
  assert.ok(informer.hasSynced)
})
test('informer: a handler that throws stops no other, a late one gets what is there', async () => {
  const { source, informer } = setUp([list('10', object('a', '5'))])
  await using _ = informer
  informer.addHandler({
    added() {
      throw new Error('broken')
    },
  })
  const late: string[] = []
  informer.start()
  await informer.synced
  const remove = informer.addHandler({ added: (o) => late.push(objectKey(o)) })
  assert.deepEqual(late, ['ns/a'])
  remove()
  await nextTurn()
  source.events.push({ type: 'ADDED', object: object('b', '11') })
  await nextTurn()
  assert.deepEqual(late, ['ns/a'])
})
test('keys of objects', () => {
  assert.equal(objectKey({ metadata: { name: 'n' } }), 'n')
})

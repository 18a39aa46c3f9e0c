import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noopMetrics } from '../../observability/metrics.ts'
import { CacheEvent, CacheItem, type EventType } from './cache-item.ts'
import { History } from './history.ts'
import { type Sink, type Subscription, Subscriptions } from './subscriptions.ts'
import { WatchCacheMetrics } from './watch-cache-metrics.ts'

function setUp() {
  const history = new History<string>(100)
  history.reset(1)
  let current = 1
  const metrics = new WatchCacheMetrics(noopMetrics).bind('', 'things')
  const subscriptions = new Subscriptions(history, metrics, () => current)
  /** As the cache does: the whole batch into the history, then one after the other to the watches. */
  const batch = (...events: [key: string, revision: number][]): void => {
    const first = history.end
    for (const [key, revision] of events) {
      const item = new CacheItem(key, revision, { object: key, labels: {}, fields: {} })
      history.append(new CacheEvent('ADDED', item, undefined, (o) => o), 0)
    }
    current = events.at(-1)![1]
    for (let s = first; s < history.end; s++) subscriptions.dispatch(s)
  }
  const follow = (sink: Sink<string>): Subscription =>
    subscriptions.add(
      { scope: { prefix: '' }, matches: undefined, initial: undefined, sequence: history.end, revision: 1 },
      sink,
    )
  return { batch, follow }
}
const sinkOf = (event: (type: EventType, item: CacheItem<string>) => boolean): Sink<string> => ({
  event,
  synced() {},
  end() {},
})

test('subscriptions: a watch that resumes while a batch is given out gets each event once', () => {
  const t = setUp()
  const seen: string[] = []
  let takes = false
  // The second watch is called for the same event after the first, and wakes it in the middle of the batch.
  const first = t.follow(sinkOf((_, item) => seen.push(item.key) > 0 && takes))
  t.follow(
    sinkOf(() => {
      takes = true
      first.resume()
      return true
    }),
  )
  t.batch(['a', 2], ['b', 3], ['c', 4])
  assert.deepEqual(seen, ['a', 'b', 'c'])
})
test('subscriptions: a revision counts as reached only when all its events were given', () => {
  const t = setUp()
  const seen: string[] = []
  const subscription = t.follow(sinkOf((_, item) => seen.push(item.key) > 10))
  t.batch(['a', 2], ['b', 3], ['c', 3])
  assert.deepEqual([seen, subscription.revision], [['a'], 2])
  subscription.resume()
  assert.deepEqual([seen, subscription.revision], [['a', 'b'], 2])
  subscription.resume()
  assert.deepEqual([seen, subscription.revision], [['a', 'b', 'c'], 3])
})
test('subscriptions: after close nothing is given, also in the middle of a batch', () => {
  const t = setUp()
  const seen: string[] = []
  const subscription: Subscription = t.follow(
    sinkOf((_, item) => {
      seen.push(item.key)
      subscription.close()
      return true
    }),
  )
  t.batch(['a', 2], ['b', 3])
  subscription.resume()
  assert.deepEqual(seen, ['a'])
})

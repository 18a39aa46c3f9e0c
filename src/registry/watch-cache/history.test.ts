import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CacheEvent, CacheItem } from './cache-item.ts'
import { History, KEPT_MS } from './history.ts'

test('what is too old is let go at once, long before the list is cut', () => {
  const history = new History<string>(10_000)
  const append = (count: number, nowMs: number): void => {
    for (let i = 0; i < count; i++) {
      const item = new CacheItem('/a', history.end + 1, { object: 'x', labels: {}, fields: {} })
      history.append(new CacheEvent('ADDED', item, undefined, (object) => object), nowMs)
    }
  }
  append(200, 0)
  append(800, 1_000)
  history.trim(KEPT_MS + 1)
  assert.equal(history.first, 200)
  assert.equal(history.completeAfter, 200)
  assert.equal(history.at(199), undefined)
  assert.equal(history.at(200).revision, 201)
  assert.equal(history.sequenceAfter(500), 500)
  history.trim(KEPT_MS + 1_001)
  // So many are kept however old they are.
  assert.equal(history.first, 900)
  assert.equal(history.at(900).revision, 901)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StreamTable } from './stream-table.ts'

test('StreamTable does what a Map does, with old streams among new ones, over 50,000 changes', () => {
  const table = new StreamTable<{ id: number }>()
  const model = new Map<number, { id: number }>()
  let state = 9
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
  let next = 1
  for (let i = 0; i < 50_000; i++) {
    // Grows and shrinks in turns.
    if (random(100) < (i % 10_000 < 5_000 ? 60 : 40) || model.size === 0) {
      const stream = { id: next }
      next += 2 * (1 + random(3))
      table.add(stream)
      model.set(stream.id, stream)
    } else {
      const ids = [...model.keys()]
      const id = ids[random(4) === 0 ? random(ids.length) : ids.length - 1]!
      assert.equal(table.delete(id), model.delete(id))
      assert.equal(table.delete(id), false)
    }
    assert.equal(table.size, model.size)
    const probe = 1 + 2 * random(next)
    assert.equal(table.get(probe), model.get(probe))
  }
  assert.deepEqual(
    table.all().sort((a, b) => a.id - b.id),
    [...model.values()],
  )
})

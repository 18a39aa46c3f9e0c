import assert from 'node:assert/strict'
import { test } from 'node:test'
import { random } from '../../../test/harness/random.ts'
import { StreamTable } from './stream-table.ts'

test('StreamTable does what a Map does, with old streams among new ones, over 50,000 changes', () => {
  const table = new StreamTable<{ id: number }>()
  const model = new Map<number, { id: number }>()
  const below = random(9)
  let next = 1
  for (let i = 0; i < 50_000; i++) {
    // Grows and shrinks in turns.
    if (below(100) < (i % 10_000 < 5_000 ? 60 : 40) || model.size === 0) {
      const stream = { id: next }
      next += 2 * (1 + below(3))
      table.add(stream)
      model.set(stream.id, stream)
    } else {
      const ids = [...model.keys()]
      const id = ids[below(4) === 0 ? below(ids.length) : ids.length - 1]!
      assert.equal(table.delete(id), model.delete(id))
      assert.equal(table.delete(id), false)
    }
    assert.equal(table.size, model.size)
    const probe = 1 + 2 * below(next)
    assert.equal(table.get(probe), model.get(probe))
  }
  assert.deepEqual(
    table.all().sort((a, b) => a.id - b.id),
    [...model.values()],
  )
})

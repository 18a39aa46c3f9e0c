import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../api/meta.ts'
import type { EventHandler } from './informer.ts'
import { onSpecChange } from './on-spec-change.ts'

interface Thing extends KubeObject {
  readonly spec?: object
  readonly status?: object
}
const thing = (uid: string, spec: object, status = {}): Thing => ({ metadata: { name: 'a', uid }, spec, status })
const rows: readonly { name: string; before: Thing; after: Thing; wakes: boolean }[] = [
  { name: 'another status', before: thing('1', { a: 1 }), after: thing('1', { a: 1 }, { b: 2 }), wakes: false },
  { name: 'another spec', before: thing('1', { a: 1 }), after: thing('1', { a: 2 }), wakes: true },
  { name: 'made anew with the same spec', before: thing('1', { a: 1 }), after: thing('2', { a: 1 }), wakes: true },
]
for (const { name, before, after, wakes } of rows) {
  test(`on spec change: ${name}: ${wakes ? 'wakes' : 'does not wake'}`, () => {
    let handler: EventHandler<Thing> = {}
    const woken: Thing[] = []
    const informer = {
      addHandler: (h: EventHandler<Thing>) => {
        handler = h
        return () => {}
      },
    }
    onSpecChange(informer, (o) => void woken.push(o))
    handler.updated?.(before, after)
    assert.deepEqual(woken, wakes ? [after] : [])
    handler.added?.(before)
    handler.deleted?.(after)
    assert.equal(woken.length, wakes ? 3 : 2)
  })
}

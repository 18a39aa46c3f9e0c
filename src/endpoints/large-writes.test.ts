/** Writes of large objects give other requests their turn between their steps. Turns are counted, so no clock is asked. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Asked, openThings, thing, type ThingServer } from '../../test/harness/asked-things.ts'

const LARGE = 20_000
const PATH = '/namespaces/ns/things'
const dataOf = (keys: number): Record<string, string> =>
  Object.fromEntries(Array.from({ length: keys }, (_, i) => [`key-${i}`, 'value']))
const put = (keys: number): Asked => ({ method: 'PUT', target: `${PATH}/a`, body: thing('a', dataOf(keys)) })

/** The steps of a large write, each of which goes through the object at least once. */
const OF_UPDATES = ['own', 'admit', 'check', 'conform', 'encode', 'store', 'answer']
const writes: readonly {
  name: string
  steps: readonly string[]
  before?: (keys: number) => Asked
  ask: (keys: number) => Asked
}[] = [
  {
    name: 'create',
    steps: ['parse', 'decode', 'own', 'prepare', 'validate', 'conform', 'store', 'answer'],
    ask: (keys) => ({ method: 'POST', target: PATH, body: thing('new', dataOf(keys)) }),
  },
  { name: 'update', steps: ['parse', 'decode', 'read', 'convert', ...OF_UPDATES], ask: put },
  {
    name: 'merge patch',
    steps: ['parse', 'read', 'patch', 'fit', ...OF_UPDATES],
    ask: (keys) => ({
      method: 'PATCH',
      target: `${PATH}/a`,
      type: 'application/merge-patch+json',
      body: { data: dataOf(keys) },
    }),
  },
  {
    name: 'apply to a large object',
    steps: ['parse', 'read', 'merge', 'fit', ...OF_UPDATES.slice(1)],
    before: put,
    // A large configuration waits for the thread that reads YAML, for as many turns as it takes.
    ask: () => ({
      method: 'PATCH',
      target: `${PATH}/a?fieldManager=m`,
      type: 'application/apply-patch+yaml',
      body: thing('a', { more: 'value' }),
    }),
  },
]
for (const { name, steps, before, ask } of writes) {
  test(`${name}: each of its ${steps.length} steps has a turn of its own`, async () => {
    const turns = async (keys: number): Promise<number> => {
      await using things = await openThings(['a'])
      if (before) await things.ask(before(keys))
      return await turnsOf(things, ask(keys))
    }
    const [small, large] = [await turns(1), await turns(LARGE)]
    assert.ok(large - small >= steps.length - 1, `only ${large - small} turns more than a small one`)
  })
}

/** Turns of the event loop that others had meanwhile. */
async function turnsOf(things: ThingServer, asked: Asked): Promise<number> {
  let turns = 0
  let isOver = false
  const turn = (): void => {
    turns++
    if (!isOver) setImmediate(turn)
  }
  setImmediate(turn)
  const { status, text } = await things.ask(asked)
  isOver = true
  assert.ok(status < 300, text.slice(0, 300))
  return turns
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { THING_FORM, THINGS, type Thing } from '../../test/harness/things.ts'
import type { KubeObject } from '../api/meta.ts'
import { StatusError } from '../api/status-error.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { MemoryStorage } from '../storage/memory/memory-storage.ts'
import { objectCodec } from './object-codec.ts'
import { Registry } from './registry.ts'
import type { Strategy, Write } from './strategy.ts'

const plain: Strategy = {
  allowCreateOnUpdate: false,
  allowUnconditionalUpdate: true,
  prepare: () => {},
  validate: () => [],
}

function open(o: { strategy?: Strategy; random?: () => number } = {}): {
  registry: Registry
  storage: MemoryStorage
  clock: FakeClock
} {
  const clock = new FakeClock()
  const storage = new MemoryStorage({ clock })
  const registry = new Registry({
    resource: THINGS,
    strategy: o.strategy ?? plain,
    form: THING_FORM,
    codec: objectCodec(THING_FORM, 'json'),
    storage,
    clock,
    ...(o.random ? { random: o.random } : {}),
  })
  return { registry, storage, clock }
}
const write = (name: string, o: Partial<Write> = {}): Write => ({
  user: { name: 'u', groups: [] },
  namespace: 'ns',
  name,
  now: Date.UTC(2026, 0, 1),
  dryRun: false,
  ...o,
})
const thing = (name: string, data: Record<string, string> = {}): Thing => ({
  metadata: { name, namespace: 'ns' },
  data,
})
async function failure(call: Promise<unknown>): Promise<[code: number, reason: string, message: string]> {
  try {
    await call
  } catch (e) {
    assert.ok(e instanceof StatusError, String(e))
    return [e.code, e.reason, e.message]
  }
  throw new Error('it did not fail')
}

test('create fills what is the server’s and ignores what the client says of it', async () => {
  const { registry } = open()
  const made = await registry.create(write('a'), {
    ...thing('a'),
    metadata: {
      name: 'a',
      namespace: 'ns',
      uid: 'mine',
      creationTimestamp: '2000-01-01T00:00:00Z',
      deletionTimestamp: '2000-01-01T00:00:00Z',
    },
  })
  assert.equal(made.metadata.creationTimestamp, '2026-01-01T00:00:00Z')
  assert.match(made.metadata.uid!, /^[0-9a-f-]{36}$/)
  assert.deepEqual([made.metadata.deletionTimestamp, made.metadata.resourceVersion], [undefined, '2'])
})

test('create refuses a name that is taken, a resourceVersion, and a bad name', async () => {
  const { registry } = open()
  await registry.create(write('a'), thing('a'))
  assert.deepEqual(await failure(registry.create(write('a'), thing('a'))), [
    409,
    'AlreadyExists',
    'things.test "a" already exists',
  ])
  const versioned = { metadata: { name: 'b', namespace: 'ns', resourceVersion: '1' } }
  assert.deepEqual(await failure(registry.create(write('b'), versioned)), [
    500,
    '',
    'resourceVersion should not be set on objects to be created',
  ])
  assert.equal((await failure(registry.create(write('B'), thing('B'))))[0], 422)
})

test('generateName tries other names, and gives up after eight', async () => {
  let draws = 0
  const { registry } = open({ random: () => (draws++ < 10 ? 0 : 0.5) })
  const generated = (): Thing => ({ metadata: { generateName: 'g-', namespace: 'ns' } })
  assert.equal((await registry.create(write(''), generated())).metadata.name, 'g-bbbbb')
  assert.equal((await registry.create(write(''), generated())).metadata.name, 'g-rrrrr', 'the second draw was taken')
  const stuck = open({ random: () => 0 }).registry
  await stuck.create(write(''), generated())
  const [code, , message] = await failure(stuck.create(write(''), generated()))
  assert.deepEqual(
    [code, message],
    [409, 'things.test "g-" already exists, the server was not able to generate a unique name for the object'],
  )
})

test('an update of an old version is a conflict; one without a version takes the latest', async () => {
  const { registry } = open()
  const first = await registry.create(write('a'), thing('a'))
  const change = (o: Thing) => registry.update({ write: write('a'), transform: () => structuredClone(o) })
  await change({ ...thing('a', { x: '1' }) })
  const [code, , message] = await failure(change({ ...thing('a', { x: '2' }), metadata: { ...first.metadata } }))
  assert.deepEqual(
    [code, message],
    [
      409,
      'Operation cannot be fulfilled on things.test "a": the object has been modified; please apply your changes to the latest version and try again',
    ],
  )
})

test('a lost race is applied again to the newer object, unless the client named a version', async () => {
  const { registry, storage } = open()
  await registry.create(write('a'), thing('a'))
  let raced = false
  const race = async (): Promise<void> => {
    if (raced) return
    raced = true
    const { item } = await storage.get('/registry/things/ns/a')
    const object = JSON.parse(Buffer.from(item!.value).toString()) as Thing
    await storage.put(item!.key, Buffer.from(JSON.stringify({ ...object, data: { other: '1' } })), {
      expected: item!.revision,
    })
  }
  const { object } = await registry.update({
    write: write('a'),
    reapply: true,
    transform: async (current) => {
      await race()
      return { ...structuredClone(current!), data: { ...(current as Thing).data, mine: '1' } } as Thing
    },
  })
  assert.deepEqual((object as Thing).data, { mine: '1', other: '1' })
  raced = false
  const pinned = async (current: KubeObject | undefined): Promise<Thing> => {
    await race()
    return { ...structuredClone(current!), data: { mine: '2' } } as Thing
  }
  const [code] = await failure(registry.update({ write: write('a'), transform: pinned }))
  assert.equal(code, 409)
})

test('an update that changes nothing is not written', async () => {
  const { registry, storage } = open()
  await registry.create(write('a'), thing('a', { x: '1' }))
  const before = await storage.currentRevision()
  const { object } = await registry.update({ write: write('a'), transform: () => thing('a', { x: '1' }) })
  assert.equal(await storage.currentRevision(), before)
  assert.equal(object.metadata.resourceVersion, '2')
})

test('dry runs leave no trace', async () => {
  const { registry, storage } = open()
  await registry.create(write('a'), thing('a'))
  const before = await storage.currentRevision()
  const dryRun = { dryRun: true }
  assert.equal((await registry.create(write('b', dryRun), thing('b'))).metadata.resourceVersion, undefined)
  assert.equal((await failure(registry.create(write('a', dryRun), thing('a'))))[0], 409)
  await registry.update({ write: write('a', dryRun), transform: () => thing('a', { x: '1' }) })
  assert.equal((await registry.delete(write('a', dryRun), { dryRun: true })).gone, true)
  assert.equal(await storage.currentRevision(), before)
})

test('finalizers hold a deleted object until the last is gone', async () => {
  const { registry } = open()
  await registry.create(write('a'), { metadata: { name: 'a', namespace: 'ns', finalizers: ['example.com/hold'] } })
  const held = await registry.delete(write('a'), { dryRun: false })
  assert.equal(held.gone, false)
  assert.deepEqual(
    [held.object.metadata.deletionTimestamp, held.object.metadata.deletionGracePeriodSeconds],
    ['2026-01-01T00:00:00Z', 0],
  )
  assert.equal(
    (await failure(registry.create(write('a'), thing('a'))))[2],
    'object is being deleted: things.test "a" already exists',
  )
  const { object } = await registry.update({
    write: write('a'),
    transform: (current) => ({ ...structuredClone(current!), metadata: { ...current!.metadata, finalizers: [] } }),
  })
  assert.equal(object.metadata.name, 'a')
  assert.equal((await failure(registry.get('ns', 'a')))[0], 404)
})

test('propagation policies leave their finalizers', async () => {
  const { registry } = open()
  for (const [policy, finalizers] of [
    ['Orphan', ['orphan']],
    ['Foreground', ['foregroundDeletion']],
    ['Background', undefined],
  ] as const) {
    await registry.create(write('p'), thing('p'))
    const deleted = await registry.delete(write('p'), { dryRun: false, propagationPolicy: policy })
    assert.deepEqual([deleted.gone, deleted.object.metadata.finalizers], [policy === 'Background', finalizers], policy)
    if (!deleted.gone)
      await registry.update({
        write: write('p'),
        transform: (c) => ({ ...structuredClone(c!), metadata: { ...c!.metadata, finalizers: [] } }),
      })
  }
})

test('preconditions of a delete are kept', async () => {
  const { registry } = open()
  const { metadata } = await registry.create(write('a'), thing('a'))
  assert.equal((await failure(registry.delete(write('a'), { dryRun: false, preconditions: { uid: 'other' } })))[0], 409)
  assert.equal(
    (await failure(registry.delete(write('a'), { dryRun: false, preconditions: { resourceVersion: '1' } })))[0],
    409,
  )
  const { uid, resourceVersion } = metadata
  assert.equal(
    (
      await registry.delete(write('a'), {
        dryRun: false,
        preconditions: { uid: uid!, resourceVersion: resourceVersion! },
      })
    ).gone,
    true,
  )
})

test('a name that is no path segment is refused before the storage sees it', async () => {
  const { registry } = open()
  for (const name of ['..', 'a/b', 'a%b']) assert.equal((await failure(registry.get('ns', name)))[0], 400, name)
})

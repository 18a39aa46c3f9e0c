import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { CoreTables } from './tables.ts'

const tables = new CoreTables()

for (const name of tables.groups()) {
  test(`tables of ${name === '' ? 'core' : name} are complete`, () => {
    const group = tables.group(name)!
    assert.equal(group.group, name)
    for (const r of group.resources) {
      assert.ok(tables.byKind(group.types.apiVersion, r.kind), `${r.kind} has a type`)
      assert.deepEqual([...r.verbs], [...r.verbs].sort(), 'discovery lists verbs in order')
      assert.ok(r.storagePrefix === undefined ? r.verbs.join() === 'create' : r.columns.length > 0)
    }
  })
  test(`field numbers and names of ${name === '' ? 'core' : name} are unique in their type`, () => {
    for (const type of tables.group(name)!.types.all()) {
      assert.equal(type.byName.size, type.fields.length, type.model)
      const rows = type.descending.flatMap((f) => (f.inline && f.type.kind === 'object' ? f.type.type.fields : [f]))
      assert.equal(type.byNumber.size, type.descending.length, type.model)
      assert.ok(rows.length >= type.fields.length, type.model)
      assert.equal(tables.byModel(type.model), type)
    }
  })
}

test('storageVersionHash is the hash of the storage version, as clients compare it', () => {
  for (const name of tables.groups()) {
    for (const r of tables.group(name)!.resources) {
      if (r.storageVersion === undefined) continue
      const gv = r.storageVersion.includes('/') ? r.storageVersion : `/${r.storageVersion}`
      const digest = createHash('sha256').update(`${gv}/${r.kind}`).digest()
      assert.equal(r.storageVersionHash, digest.subarray(0, 8).toString('base64'), r.resource)
    }
  }
})

test('an unknown group, version or kind has no type', () => {
  assert.equal(tables.group('nope.example.com'), undefined)
  assert.equal(tables.byKind('v2', 'ConfigMap'), undefined)
  assert.equal(tables.byKind('v1', 'Gizmo'), undefined)
  assert.equal(tables.byKind('apps/v1', 'DeleteOptions')?.name, 'DeleteOptions')
})

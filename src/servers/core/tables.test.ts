import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { formatGroupVersion } from '../../api/group-version.ts'
import { KINDS_WITH_LOGIC } from './kinds.ts'
import { CoreTables } from './tables.ts'

const tables = new CoreTables()

for (const { group, version, resources } of tables.groupVersions) {
  const gv = formatGroupVersion({ group, version })
  test(`tables of ${gv} are complete`, () => {
    for (const r of resources) {
      assert.equal(tables.kindVersion(group, version, r.kind).apiVersion, gv)
      assert.deepEqual([...r.verbs], [...r.verbs].sort(), 'discovery lists verbs in order')
      assert.ok(r.storagePrefix === undefined ? r.verbs.join() === 'create' : r.columns.length > 0)
    }
  })
  test(`field numbers and names of ${gv} are unique in their type`, () => {
    for (const type of tables.types(group, version)!.all()) {
      assert.equal(type.byName.size, type.fields.length, type.model)
      const rows = type.descending.flatMap((f) => (f.inline && f.type.kind === 'object' ? f.type.type.fields : [f]))
      assert.equal(type.byNumber.size, type.descending.length, type.model)
      assert.ok(rows.length >= type.fields.length, type.model)
      assert.equal(tables.byModel(type.model), type)
    }
  })
}

test('storageVersionHash is the hash of the storage version, as clients compare it', () => {
  for (const { resources } of tables.groupVersions) {
    for (const r of resources) {
      if (r.storageVersion === undefined) continue
      const gv = r.storageVersion.includes('/') ? r.storageVersion : `/${r.storageVersion}`
      const digest = createHash('sha256').update(`${gv}/${r.kind}`).digest()
      assert.equal(r.storageVersionHash, digest.subarray(0, 8).toString('base64'), r.resource)
    }
  }
})

test('an unknown group, version or kind has no type', () => {
  assert.equal(tables.types('nope.example.com', 'v1'), undefined)
  assert.equal(tables.byKind('v2', 'ConfigMap'), undefined)
  assert.equal(tables.byKind('v1', 'Gizmo'), undefined)
  assert.equal(tables.byKind('apps/v1', 'DeleteOptions')?.name, 'DeleteOptions')
})

test('each kind that has a module is in the index', () => {
  const known = new Set(
    tables.groupVersions.flatMap(({ group, version, resources }) =>
      resources.flatMap((r) => [`${group}/${r.kind}`, `${group}/${version}/${r.kind}`]),
    ),
  )
  assert.deepEqual(
    [...KINDS_WITH_LOGIC].filter((id) => !known.has(id)),
    [],
  )
})

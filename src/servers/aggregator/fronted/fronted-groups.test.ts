import assert from 'node:assert/strict'
import { test } from 'node:test'
import { everythingBut, groupFilter, groupOfPath, groupPriority } from './fronted-groups.ts'

const some = groupFilter(['apps', 'core', '*.example.com', 'gateway.portico.dev'])
const rest = everythingBut([some])
const rows: readonly { group: string; some: boolean; rest: boolean }[] = [
  { group: 'apps', some: true, rest: false },
  { group: '', some: true, rest: false },
  { group: 'garden.example.com', some: true, rest: false },
  { group: 'example.com', some: false, rest: true },
  { group: 'batch', some: false, rest: true },
  { group: 'apiregistration.k8s.io', some: false, rest: false },
  { group: 'gateway.portico.dev', some: false, rest: false },
]
for (const row of rows) {
  test(`group filters: ${row.group === '' ? 'the core group' : row.group}`, () => {
    assert.deepEqual([some(row.group), rest(row.group)], [row.some, row.rest])
  })
}

const paths: readonly [string, string | undefined][] = [
  ['/api/v1', ''],
  ['/api/v1/pods', ''],
  ['/apis/apps', 'apps'],
  ['/apis/apps/v1/deployments', 'apps'],
  ['/api', undefined],
  ['/api/', undefined],
  ['/apis', undefined],
  ['/apis/', undefined],
  ['/apisapps', undefined],
  ['/logs/', undefined],
]
for (const [path, group] of paths) {
  test(`groupOfPath: ${path}`, () => {
    assert.equal(groupOfPath(path), group)
  })
}

test('custom groups come behind those of Kubernetes', () => {
  assert.ok(groupPriority('') > groupPriority('apps'))
  assert.ok(groupPriority('apps') > groupPriority('garden.example.com'))
})

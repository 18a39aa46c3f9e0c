/**
 * Answers of real servers against ours. What differs on purpose is a row of docs/differences.md; a difference without a row fails, and so does a row without a
 * difference.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CoreTables } from '../../src/servers/core/tables.ts'
import { type DifferenceRow, readDifferences } from '../harness/differences.ts'
import { readRecorded, replay } from '../harness/recorded.ts'
import { startTestServer } from '../harness/server.ts'

/** What one server answered, in this order. */
const RECORDINGS: readonly (readonly string[])[] = [
  ['apiservice-create', 'apiservice-read', 'apiservice-write', 'apiservice-watch', 'discovery', 'generic', 'openapi'],
  ['core-objects'],
  ['core-validation'],
  ['core-protocol'],
  ['core-list-watch'],
  ['core-patch'],
  ['core-apply'],
  ['core-discovery', 'core-access'],
  ['autoscaling'],
  ['spoilt-objects'],
]
/** Their managedFields are compared too; the others were cut. */
const WITH_MANAGERS: ReadonlySet<string> = new Set(['autoscaling', 'spoilt-objects'])
/** Of recorded-availability.test.ts. */
const ELSEWHERE = 'availability'
const rows = readDifferences().filter((r) => r.file !== ELSEWHERE)
const used = new Set<DifferenceRow>()

describe('recorded answers', { concurrency: true }, () => {
  for (const files of RECORDINGS) test(files.join(', '), () => check(files))
})

async function check(files: readonly string[]): Promise<void> {
  await using portico = await startTestServer()
  const types = new CoreTables()
  const target = {
    types,
    client: (user: string | undefined) =>
      user === undefined ? portico.admin : user === 'none' ? portico.anonymous : portico.as(user),
  }
  const failures: string[] = []
  for (const file of files) {
    const managers = WITH_MANAGERS.has(file)
    for (const { name, status, differences } of await replay({ ...target, managers }, readRecorded(file))) {
      const row = rows.find((r) => r.file === file && r.matches(name))
      if (differences.length === 0) continue
      if (row) used.add(row)
      if (row?.status === status) continue
      failures.push(`${file}: ${name}\n    ${differences.slice(0, 12).join('\n    ')}`)
    }
  }
  if (failures.length > 0) assert.fail(failures.join('\n'))
}

test('every row of the differences still is one', () => {
  assert.deepEqual(
    rows.filter((r) => !used.has(r)).map((r) => `${r.file}: ${r.entry}`),
    [],
  )
})

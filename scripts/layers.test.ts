import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { checkBudgets } from './budgets.ts'
import { checkFileCircles } from './file-circles.ts'
import { checkLayers } from './layers.ts'

const root = join(import.meta.dirname, '..')
type Table = Record<string, readonly string[]>
const TABLE: Table = { lib: [], http: ['lib'], access: ['lib', 'http'], servers: ['lib', 'http', 'access'] }

/** A project of these files, by path; removed when fn returns. */
function inTree<T>(files: Readonly<Record<string, string>>, fn: (root: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'portico-tree-'))
  try {
    mkdirSync(join(folder, 'src'))
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true })
      writeFileSync(join(folder, path), text)
    }
    return fn(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
const reported = (files: Readonly<Record<string, string>>, table = TABLE): string[] =>
  inTree(files, (tree) => checkLayers(tree, table).map((v) => `${v.file}:${v.line}: ${v.message}`))

const CASES: readonly { name: string; file: string; text: string; want: string | undefined }[] = [
  {
    name: 'an import upwards',
    file: 'http/a.ts',
    text: "\nimport { b } from '../servers/b.ts'\nb()\n",
    want: 'src/http/a.ts:2: http may not import servers (../servers/b.ts)',
  },
  {
    name: 'an import of types alone',
    file: 'http/a.ts',
    text: "import type { B } from '../servers/b.ts'\nexport type A = B\n",
    want: 'src/http/a.ts:1: http may not import servers (../servers/b.ts)',
  },
  {
    name: 'a re-export',
    file: 'http/a.ts',
    text: "\n\nexport { b } from '../servers/b.ts'\n",
    want: 'src/http/a.ts:3: http may not import servers (../servers/b.ts)',
  },
  {
    name: 'an import at run time',
    file: 'http/a.ts',
    text: "export const load = () => import('../servers/b.ts')\n",
    want: 'src/http/a.ts:1: http may not import servers (../servers/b.ts)',
  },
  {
    name: 'a package in lib',
    file: 'lib/a.ts',
    text: "import ws from 'ws'\nws()\n",
    want: 'src/lib/a.ts:1: lib may import node:* only, not ws',
  },
  { name: 'a module of Node in lib', file: 'lib/a.ts', text: "import 'node:fs'\n", want: undefined },
  {
    name: 'another domain of access',
    file: 'access/authorization/a.ts',
    text: "import { x } from '../authentication/x509.ts'\nx()\n",
    want: 'src/access/authorization/a.ts:1: access/authorization may not import access/authentication (../authentication/x509.ts)',
  },
  {
    name: 'the interface of another domain of access',
    file: 'access/authorization/a.ts',
    text: "import type { A } from '../authentication/authenticator.ts'\nexport type B = A\n",
    want: undefined,
  },
  {
    name: 'another server',
    file: 'servers/core/a.ts',
    text: "import { x } from '../aggregator/x.ts'\nx()\n",
    want: 'src/servers/core/a.ts:1: servers/core may not import servers/aggregator (../aggregator/x.ts)',
  },
  {
    name: 'the generic server',
    file: 'servers/core/a.ts',
    text: "import { x } from '../generic/x.ts'\nx()\n",
    want: undefined,
  },
  {
    name: 'a folder that the table does not know',
    file: 'misc/a.ts',
    text: "import '../lib/x.ts'\n",
    want: 'src/misc/a.ts:1: folder misc is not in src/layers.json',
  },
  {
    name: 'a file outside src/',
    file: 'http/a.ts',
    text: "import '../../scripts/x.ts'\n",
    want: 'src/http/a.ts:1: leaves src/: ../../scripts/x.ts',
  },
  { name: 'an allowed import', file: 'http/a.ts', text: "import '../lib/x.ts'\n", want: undefined },
]
for (const { name, file, text, want } of CASES) {
  test(`layers: ${name} is ${want === undefined ? 'allowed' : 'reported with file and line'}`, () => {
    assert.deepEqual(reported({ [`src/${file}`]: text }), want === undefined ? [] : [want])
  })
}

test('layers: a cycle in the table is reported', () => {
  const found = reported({}, { a: ['b'], b: ['c'], c: ['a'] })
  assert.deepEqual(found, ['src/layers.json:1: cycle: a -> b -> c -> a'])
})

const CIRCLES: readonly { name: string; files: Readonly<Record<string, string>>; want: readonly string[] }[] = [
  {
    name: 'two files, by types alone',
    files: {
      'src/lib/a.ts': "\nimport type { B } from './b.ts'\nexport type A = B\n",
      'src/lib/b.ts': "import type { A } from './a.ts'\nexport type B = A\n",
    },
    want: ['src/lib/a.ts:2: circle of 2 files: lib/a.ts, lib/b.ts'],
  },
  {
    name: 'three files of two folders, one of them a re-export',
    files: {
      'src/http/a.ts': "export { b } from '../lib/b.ts'\n",
      'src/lib/b.ts': "import './c.ts'\nexport const b = 1\n",
      'src/lib/c.ts': "import '../http/a.ts'\nimport './d.ts'\n",
      'src/lib/d.ts': '',
    },
    want: ['src/http/a.ts:1: circle of 3 files: http/a.ts, lib/b.ts, lib/c.ts'],
  },
  {
    name: 'a diamond is none, and tests do not count',
    files: {
      'src/lib/a.ts': "import './b.ts'\nimport './c.ts'\n",
      'src/lib/b.ts': "import './d.ts'\n",
      'src/lib/c.ts': "import './d.ts'\n",
      'src/lib/d.ts': '',
      'src/lib/d.test.ts': "import './a.ts'\n",
    },
    want: [],
  },
]
for (const { name, files, want } of CIRCLES) {
  test(`circles of files: ${name}`, () => {
    const found = inTree(files, (tree) => checkFileCircles(tree).map((v) => `${v.file}:${v.line}: ${v.message}`))
    assert.deepEqual(found, want)
  })
}

test('circles of files: the project has none', () => {
  assert.deepEqual(checkFileCircles(root), [])
})

test('layers: the project itself is clean', () => {
  const table = JSON.parse(readFileSync(join(root, 'src/layers.json'), 'utf8')) as Table
  assert.deepEqual(checkLayers(root, table), [])
})

test('budgets: a long file and a long function are reported with file and line', () => {
  const files = {
    'src/lib/long.ts': '\n'.repeat(501),
    'src/lib/fits.ts': '\n'.repeat(500),
    'src/lib/function.ts': `\nexport function walk(): void {\n${'  walk()\n'.repeat(79)}}\n`,
    'src/lib/short.ts': `\nexport function walk(): void {\n${'  walk()\n'.repeat(78)}}\n`,
  }
  assert.deepEqual(
    inTree(files, checkBudgets).map((v) => `${v.file}:${v.line}: ${v.message}`),
    ['src/lib/function.ts:2: walk has 81 lines, over 80', 'src/lib/long.ts:501: 501 lines, over 500'],
  )
})

test('budgets: the project keeps them', () => {
  assert.deepEqual(checkBudgets(root), [])
})

/** Checks every import of src/ against src/layers.json, and looks for circles of folders and of files. */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'
import { checkFileCircles } from './file-circles.ts'
import type { Violation } from './violation.ts'

type Table = Record<string, readonly string[]>

/** Parts of a domain folder (access/x, servers/x) that siblings may import. */
const SHARED_PARTS = /^(servers\/generic\/|(access|servers)\/[^/]+\.ts$)/
/** A domain's interface file inside access/<domain>/ may be imported by the other domains. */
const INTERFACES = /^access\/([^/]+)\/(\1|authenticator|authorizer|attributes)\.ts$/

export function checkLayers(root: string, table: Table): Violation[] {
  const src = join(root, 'src')
  const violations: Violation[] = [...cyclesOf(table)]
  for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue
    const path = join(entry.parentPath, entry.name)
    const file = relative(src, path)
    const text = readFileSync(path, 'utf8')
    for (const found of ts.preProcessFile(text, true, true).importedFiles) {
      const line = text.slice(0, found.pos).split('\n').length
      const why = judge(file, found.fileName, table, src, path)
      if (why) violations.push({ file: `src/${file}`, line, message: why })
    }
  }
  return violations
}

function judge(file: string, specifier: string, table: Table, src: string, path: string): string | undefined {
  const from = folderOf(file)
  const allowed = table[from]
  if (!allowed) return `folder ${from} is not in src/layers.json`
  if (!specifier.startsWith('.')) {
    const test = file.endsWith('.test.ts')
    return from === 'lib' && !specifier.startsWith('node:') && !test
      ? `lib may import node:* only, not ${specifier}`
      : undefined
  }
  const target = relative(src, resolve(dirname(path), specifier))
  if (target.startsWith('..'))
    return file.endsWith('.test.ts') || target.startsWith('../package.json') ? undefined : `leaves src/: ${specifier}`
  const to = folderOf(target)
  if (to !== from) return allowed.includes(to) ? undefined : `${from} may not import ${to} (${specifier})`
  if (from !== 'access' && from !== 'servers') return undefined
  const [a, b] = [file.split('/')[1], target.split('/')[1]]
  if (a === b || file.split('/').length === 2) return undefined
  return SHARED_PARTS.test(target) || INTERFACES.test(target)
    ? undefined
    : `${from}/${a} may not import ${from}/${b} (${specifier})`
}

const folderOf = (file: string): string =>
  file.includes('/') ? file.slice(0, file.indexOf('/')) : file.replace(/\.ts$/, '')

function cyclesOf(table: Table): Violation[] {
  const state = new Map<string, 'open' | 'done'>()
  const found: Violation[] = []
  const visit = (folder: string, trail: string[]): void => {
    if (state.get(folder) === 'done') return
    if (state.get(folder) === 'open') {
      found.push({ file: 'src/layers.json', line: 1, message: `cycle: ${[...trail, folder].join(' -> ')}` })
      return
    }
    state.set(folder, 'open')
    for (const next of table[folder] ?? []) visit(next, [...trail, folder])
    state.set(folder, 'done')
  }
  for (const folder of Object.keys(table)) visit(folder, [])
  return found
}

if (import.meta.main) {
  const root = join(import.meta.dirname, '..')
  const table = JSON.parse(readFileSync(join(root, 'src/layers.json'), 'utf8')) as Table
  const violations = [...checkLayers(root, table), ...checkFileCircles(root)]
  for (const v of violations) console.error(`${v.file}:${v.line}: ${v.message}`)
  if (violations.length > 0) process.exit(1)
  console.log('layers: ok')
}

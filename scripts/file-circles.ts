/** Finds circles of files that import each other, type imports counted: such files can only be read, and moved, together. */
import { readFileSync, readdirSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import ts from 'typescript'
import type { Violation } from './violation.ts'

type Imports = ReadonlyMap<string, readonly { readonly to: string; readonly line: number }[]>

/** @returns one violation per circle, at the import that closes it. Tests are imported by nobody. */
export function checkFileCircles(root: string): Violation[] {
  const imports = readImports(join(root, 'src'))
  return circles(imports).map((circle) => {
    const members = new Set(circle)
    const [first] = circle
    const closing = imports.get(first!)!.find((i) => members.has(i.to))!
    return {
      file: `src/${first}`,
      line: closing.line,
      message: `circle of ${circle.length} files: ${circle.join(', ')}`,
    }
  })
}

function readImports(src: string): Imports {
  const imports = new Map<string, { to: string; line: number }[]>()
  for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts') || entry.name.endsWith('.test.ts')) continue
    const path = join(entry.parentPath, entry.name)
    const text = readFileSync(path, 'utf8')
    const found = ts.preProcessFile(text, true, true).importedFiles.filter((i) => i.fileName.startsWith('.'))
    imports.set(
      relative(src, path),
      found.map((i) => ({
        to: relative(src, resolve(dirname(path), i.fileName)),
        line: text.slice(0, i.pos).split('\n').length,
      })),
    )
  }
  return imports
}

/** Tarjan's strongly connected components with more than one member, sorted. */
function circles(imports: Imports): string[][] {
  const found: string[][] = []
  const order = new Map<string, number>()
  const open: string[] = []
  const visit = (file: string): number => {
    const index = order.size
    order.set(file, index)
    let low = index
    open.push(file)
    for (const { to } of imports.get(file) ?? []) {
      if (!imports.has(to)) continue
      if (!order.has(to)) low = Math.min(low, visit(to))
      else if (open.includes(to)) low = Math.min(low, order.get(to)!)
    }
    if (low === index) {
      const members = open.splice(open.indexOf(file))
      if (members.length > 1) found.push(members.sort())
    }
    return low
  }
  for (const file of imports.keys()) if (!order.has(file)) visit(file)
  return found
}

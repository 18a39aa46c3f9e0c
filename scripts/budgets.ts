/** Checks that files and functions stay small: a file is split by job, a function by step, before it outgrows them. */
import { readFileSync, globSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import type { Violation } from './violation.ts'

const MAX_FILE_LINES = 500
const MAX_FUNCTION_LINES = 80
const MEASURED = ['src/**/*.ts', 'fixtures/**/*.ts', 'scripts/**/*.ts']

/** @returns what is over budget, by file and line. Functions of tests are not measured. */
export function checkBudgets(root: string): Violation[] {
  const files = globSync(MEASURED, { cwd: root }).sort()
  return files.flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8')
    const lines = text.split('\n').length - 1
    const over: Violation[] =
      lines > MAX_FILE_LINES ? [{ file, line: lines, message: `${lines} lines, over ${MAX_FILE_LINES}` }] : []
    return file.endsWith('.test.ts') ? over : [...over, ...longFunctions(file, text)]
  })
}

function longFunctions(file: string, text: string): Violation[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
  const found: Violation[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body) {
      const first = source.getLineAndCharacterOfPosition(node.getStart(source)).line
      const lines = source.getLineAndCharacterOfPosition(node.end).line - first + 1
      const name = node.name?.getText(source) ?? 'a function'
      if (lines > MAX_FUNCTION_LINES)
        found.push({ file, line: first + 1, message: `${name} has ${lines} lines, over ${MAX_FUNCTION_LINES}` })
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

if (import.meta.main) {
  const violations = checkBudgets(join(import.meta.dirname, '..'))
  for (const v of violations) console.error(`${v.file}:${v.line}: ${v.message}`)
  if (violations.length > 0) process.exit(1)
  console.log('budgets: ok')
}

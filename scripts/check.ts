/** `npm run check`: format, lint, layers, budgets, types, unit tests, one end-to-end smoke. Stops at the first that fails. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const bin = (name: string): string => join(root, 'node_modules', '.bin', name)
const node = process.execPath

interface Step {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
}
const STEPS: readonly Step[] = [
  { name: 'format', command: bin('biome'), args: ['format', '.'] },
  { name: 'lint', command: bin('oxlint'), args: ['--type-aware', '--deny-warnings'] },
  { name: 'layers', command: node, args: ['scripts/layers.ts'] },
  { name: 'budgets', command: node, args: ['scripts/budgets.ts'] },
  // The native compiler is started by path: both compilers own the name tsc.
  { name: 'types', command: node, args: ['node_modules/@typescript/native/bin/tsc', '-p', '.'] },
  { name: 'unit', command: node, args: ['scripts/test.ts', 'unit'] },
  { name: 'smoke', command: node, args: ['scripts/test.ts', 'smoke'] },
]

const wanted = process.argv.slice(2)
for (const step of STEPS.filter((s) => wanted.length === 0 || wanted.includes(s.name))) {
  const startedMs = performance.now()
  const done = spawnSync(step.command, step.args, { cwd: root, stdio: 'inherit' })
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1)
  console.log(`${done.status === 0 ? 'ok' : 'FAILED'}  ${step.name} (${seconds} s)`)
  if (done.status !== 0) process.exit(1)
}

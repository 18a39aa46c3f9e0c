/**
 * Runs tests with node's own runner: `npm test` everything, or one set by name (unit, smoke, soak, integration ...).
 * Sets up the programs that tests need, where it may.
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { installPrograms } from './programs.ts'

const root = join(import.meta.dirname, '..')
const SETS: Record<string, readonly string[]> = {
  unit: ['src/**/*.test.ts', 'scripts/**/*.test.ts'],
  smoke: ['test/e2e/smoke.test.ts'],
  integration: ['test/integration/**/*.test.ts'],
  e2e: ['test/e2e/**/*.test.ts'],
  faults: ['test/faults/**/*.test.ts'],
  security: ['test/security/**/*.test.ts'],
  pains: ['test/pains/**/*.test.ts'],
  docs: ['test/docs/**/*.test.ts'],
  /** Beside a running kube-apiserver; skipped without one. */
  differential: ['test/differential/**/*.test.ts'],
}
const ALL = ['unit', 'integration', 'e2e', 'faults', 'security', 'pains', 'docs', 'differential']
/** A test may take long on a busy machine; a hang must not take for ever. */
const TEST_TIMEOUT_MS = 10 * 60_000
/** All tests in their short form take an eighth of this where the machine is quiet. */
const RUN_TIMEOUT_MS = 40 * 60_000

const [name = 'all'] = process.argv.slice(2)
const soak = name === 'soak'
const sets = name === 'all' || soak ? ALL : [name]
const files = sets.flatMap((set) => (SETS[set] ?? [set]).flatMap((pattern) => globSync(pattern, { cwd: root }))).sort()
if (files.length === 0) {
  console.error(`no tests match ${name}`)
  process.exit(1)
}
if (sets.some((s) => s !== 'unit' && s !== 'smoke')) installPrograms()
// Full checks first: what does not compile is not worth a long run.
if (name === 'all') {
  const checks = spawnSync(process.execPath, ['scripts/check.ts', 'format', 'lint', 'layers', 'budgets', 'types'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (checks.status !== 0) process.exit(1)
}
const run = spawnSync(
  process.execPath,
  [
    '--import',
    './test/harness/end-of-file.ts',
    '--test',
    '--test-concurrency=2',
    `--test-timeout=${TEST_TIMEOUT_MS}`,
    '--test-reporter=spec',
    ...files,
  ],
  {
    cwd: root,
    stdio: 'inherit',
    // Interrupted, the runner ends its files and says which they were.
    killSignal: 'SIGINT',
    ...(soak ? {} : { timeout: RUN_TIMEOUT_MS }),
    env: { ...process.env, ...(soak ? { PORTICO_SOAK: '1' } : {}) },
  },
)
process.exit(run.status ?? 1)

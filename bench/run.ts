/**
 * `npm run bench`: every benchmark, or those named; each prints JSON objects, one per line. Where others work on the same
 * machine, a p99 is theirs: `chrt -r 10 node bench/isolation.ts` (as root) goes before them.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const ALL = [
  'discovery',
  'objects',
  'first-read',
  'proxy',
  'cold-start',
  'black-holes',
  'idle-watches',
  'isolation',
  'frozen',
  'dropped',
  'balance',
  'rollout',
  'rotation',
  'drain',
  'watch-load',
  'tracing',
  'registrations',
  'connections',
  'openapi',
  'policies',
]
const wanted = process.argv.slice(2)
for (const name of wanted.length === 0 ? ALL : wanted) {
  const done = spawnSync(process.execPath, [join(import.meta.dirname, `${name}.ts`)], { stdio: 'inherit' })
  if (done.status !== 0) process.exitCode = 1
}

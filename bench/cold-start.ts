/** Start to ready with embedded storage: the very first time (certificates are made) and later ones; idle memory. Prints one JSON object. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median, startServerProcess } from './lib/server-process.ts'

const ROUNDS = 5
const IDLE_MS = 5000

const dataDir = mkdtempSync(join(tmpdir(), 'portico-bench-'))
try {
  const starts: number[] = []
  const memories: number[] = []
  for (let i = 0; i <= ROUNDS; i++) {
    await using server = await startServerProcess([], { dataDir })
    starts.push(server.startMs)
    if (i === 0) continue
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS))
    memories.push(server.rssMiB())
  }
  console.log(
    JSON.stringify({
      name: 'cold-start',
      firstMs: Math.round(starts[0]!),
      startMs: Math.round(median(starts.slice(1))),
      idleRssMiB: Math.round(median(memories)),
    }),
  )
} finally {
  rmSync(dataDir, { recursive: true, force: true })
}

#!/usr/bin/env node
import { enableCompileCache } from 'node:module'

/**
 * What V8 and malloc read only as they start, so that the server begins anew with it (same process, same files and
 * signals). Where much survives, a young generation grows to 128 MiB, and an old one to four times what is in use. And
 * requests that hang teach V8 that what a request allocates lives long: those refused beside them, thousands a second,
 * would be put where only a whole collection finds them. Measured in design/0002-data-path.md.
 */
const SERVER_FLAGS = ['--max-semi-space-size=16', '--heap-growing-percent=60', '--no-allocation-site-pretenuring']
/** Of glibc: others do not look. By itself it gives each thread a heap, and puts large blocks between the small ones. */
const SERVER_MALLOC = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '131072', MALLOC_TRIM_THRESHOLD_: '1048576' }
const [command] = process.argv.slice(2)
const missing = SERVER_FLAGS.filter((flag) => !process.execArgv.includes(flag))
if (command === 'serve' && missing.length > 0 && process.execve && process.platform !== 'win32') {
  const args = [process.execPath, ...missing, ...process.execArgv, ...process.argv.slice(1)]
  process.execve(process.execPath, args, { ...SERVER_MALLOC, ...process.env })
}
// A piece that is kept holds all that it was cut from, of Node 64 KiB.
Buffer.poolSize = 8 * 1024

// Before anything else is loaded: compiled code of the last start is half of the time to ready.
enableCompileCache()
const { runCommand } = await import('./cli/run-command.ts')

process.exitCode = await runCommand(process.argv.slice(2), process.env)
// Handles that a library forgot would hold the process: everything of ours is released by now.
process.exit()

/**
 * Preloaded into each test file (`--import`, scripts/test.ts): node's runner bounds the time of a test, but not of a file,
 * so a socket that a failed test left open would hold up the whole run for ever. What still holds the process is named.
 */
import { after } from 'node:test'
import { isMainThread } from 'node:worker_threads'

/** From the end of a file's tests to the end of its process. */
const GRACE_MS = 30_000

function leftOpen(): void {
  const held = process.getActiveResourcesInfo().join(', ')
  console.error(`${process.argv[1]}: ended ${GRACE_MS / 1000} s after its tests, as this was left open: ${held}`)
  process.exit(1)
}

// The variable tells a test file from the runner itself, which preloads the same modules; so do the workers of a test.
if (process.env['NODE_TEST_CONTEXT'] && isMainThread) after(() => void setTimeout(leftOpen, GRACE_MS).unref())

import assert from 'node:assert/strict'
import { setTimeout } from 'node:timers/promises'

const AGAIN_MS = 20

/** Asks again until it holds, where nothing tells of the change; fails after 15 s. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 15_000): Promise<void> {
  const giveUpMs = performance.now() + limitMs
  while (!(await holds())) {
    if (performance.now() > giveUpMs) assert.fail(`not within ${limitMs} ms: ${what}`)
    await setTimeout(AGAIN_MS)
  }
}
/** Turn by turn of the event loop: for what this very process brings about. */
export async function untilTurn(what: string, holds: () => boolean, limitMs = 15_000): Promise<void> {
  const giveUpMs = performance.now() + limitMs
  while (!holds()) {
    if (performance.now() > giveUpMs) assert.fail(`not within ${limitMs} ms: ${what}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

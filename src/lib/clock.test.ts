import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { systemClock } from './clock.ts'

test('system clock: a delay beyond what a timer can hold does not fire at once', async () => {
  let fired = false
  const cancel = systemClock.after(365 * 24 * 3600 * 1000, () => {
    fired = true
  })
  await wait(5)
  await turn()
  cancel()
  assert.equal(fired, false)
})

/**
 * Portico stops while 10,000 watches are open through it: how evenly their ends are spread over the grace, as the busiest
 * second to an even one; how many ended inside an event; and whether the log has an error. Prints one JSON object.
 */
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { round } from './lib/server-process.ts'
import { setStage } from './lib/stage.ts'
import { openWatches } from './lib/watches.ts'

const WATCHES = Number(process.env['WATCHES'] ?? 10_000)
const GRACE_SECONDS = 30

await using stage = await setStage({
  endpoints: 1,
  args: () => [`--shutdown-watch-termination-grace-period=${GRACE_SECONDS}s`],
  eventEveryMs: 10_000,
})
using watches = await openWatches(stage.target, WATCHES)
await pause(1_000)
const early = watches.ends.length
const stoppedMs = performance.now()
await stage.server.end()
const tookMs = performance.now() - stoppedMs
for (const deadlineMs = performance.now() + 5_000; watches.ends.length < WATCHES && performance.now() < deadlineMs; )
  await once(AbortSignal.timeout(50), 'abort')
const times = watches.ends.map((e) => e.atMs)
const even = WATCHES / GRACE_SECONDS
console.log(
  JSON.stringify({
    name: 'drain',
    watches: WATCHES,
    endedBefore: early,
    ended: times.length,
    torn: watches.ends.filter((e) => !e.whole).length,
    perSecond: { even: Math.round(even), busiest: busiestSecond(times) },
    busiestToEven: round(busiestSecond(times) / even, 2),
    firstEndMs: Math.round(times[0]! - stoppedMs),
    lastEndMs: Math.round(times.at(-1)! - stoppedMs),
    stoppedAfterMs: Math.round(tookMs),
    errorsLogged: stage.server.log().match(/"level":"error"/g)?.length ?? 0,
  }),
)

/** The most that ended within any second. */
function busiestSecond(times: readonly number[]): number {
  let [most, from] = [0, 0]
  for (const [to, atMs] of times.entries()) {
    while (atMs - times[from]! >= 1_000) from++
    most = Math.max(most, to - from + 1)
  }
  return most
}

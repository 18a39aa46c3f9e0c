/**
 * 5,000 watches through one backend, each with an event every 10 s: what other requests to it feel of them, at 500 a
 * second. Rounds with and without them alternate. Prints one JSON object. Core 0 runs Portico, core 1 the load.
 */
import { ENDPOINT_PATH } from './lib/endpoint.ts'
import { latencyOf, type Times, tokenFlag, undisturbed } from './lib/h2load.ts'
import { round } from './lib/server-process.ts'
import { setStage } from './lib/stage.ts'
import { openWatches } from './lib/watches.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 5)
const WATCHES = Number(process.env['WATCHES'] ?? 5_000)

await using stage = await setStage({
  endpoints: 1,
  core: 0,
  args: (folder) => [tokenFlag(folder)],
  eventEveryMs: 10_000,
})
const measure = (): Promise<Times> =>
  undisturbed({
    url: `https://localhost:${stage.server.port}${ENDPOINT_PATH}`,
    protocol: 'h2',
    perSecond: 500,
    seconds: 5,
    clients: 5,
  })
await measure()
const [alone, beside]: [Times[], Times[]] = [[], []]
for (let i = 0; i < ROUNDS; i++) {
  alone.push(await measure())
  using _watches = await openWatches(stage.target, WATCHES)
  beside.push(await measure())
}
const p99 = (rounds: readonly Times[]): number => latencyOf(rounds).p99
console.log(
  JSON.stringify({
    name: 'watch-load',
    watches: WATCHES,
    rounds: { alone: alone.map((r) => latencyOf([r])), beside: beside.map((r) => latencyOf([r])) },
    // Of all requests of all rounds: one that a neighbour spoiled has few.
    together: { alone: latencyOf(alone), besideWatches: latencyOf(beside) },
    p99Ratio: round(p99(beside) / p99(alone), 2),
  }),
)

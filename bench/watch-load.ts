/**
 * 5,000 watches through one backend, each with an event every 10 s: what other requests to it feel of them, at 500 a
 * second. Rounds with and without them alternate. Prints one JSON object. Core 0 runs Portico, core 1 the load.
 */
import { ENDPOINT_PATH } from './lib/endpoint.ts'
import { type Latency, tokenFlag, undisturbed } from './lib/h2load.ts'
import { median, round } from './lib/server-process.ts'
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
const measure = (): Promise<Latency> =>
  undisturbed({
    url: `https://localhost:${stage.server.port}${ENDPOINT_PATH}`,
    protocol: 'h2',
    perSecond: 500,
    seconds: 5,
    clients: 5,
  })
await measure()
const [alone, beside]: [Latency[], Latency[]] = [[], []]
for (let i = 0; i < ROUNDS; i++) {
  alone.push(await measure())
  using _watches = await openWatches(stage.target, WATCHES)
  beside.push(await measure())
}
const p99 = (rounds: readonly Latency[]): number => median(rounds.map((r) => r.p99))
console.log(
  JSON.stringify({
    name: 'watch-load',
    watches: WATCHES,
    rounds: { alone, beside },
    p99Ms: { alone: p99(alone), besideWatches: p99(beside) },
    p99Ratio: round(p99(beside) / p99(alone), 2),
  }),
)

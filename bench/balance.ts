/**
 * Three endpoints, 1,000 requests a second, then 3,000 watches: how evenly they are shared, as most to least.
 * Prints one JSON object.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { ENDPOINT_PATH, recordOf } from './lib/endpoint.ts'
import { h2Client } from './lib/h2-client.ts'
import { paced } from './lib/paced.ts'
import { round } from './lib/server-process.ts'
import { ADDRESSES, setStage } from './lib/stage.ts'
import { openWatches } from './lib/watches.ts'

const SECONDS = 10
const PER_SECOND = 1_000
const WATCHES = 3_000

await using stage = await setStage({ endpoints: ADDRESSES.length })
const before = recordOf(stage.folder).length
using client = await h2Client(stage.target)
const load = await paced(PER_SECOND, pause(SECONDS * 1_000), () => client.send('GET', ENDPOINT_PATH))
using _watches = await openWatches(stage.target, WATCHES)
const record = recordOf(stage.folder).slice(before)
const shares = (what: string): object => {
  const byEndpoint = ADDRESSES.map((address) => record.filter((line) => line === `${address} ${what}`).length)
  return { byEndpoint, mostToLeast: round(Math.max(...byEndpoint) / Math.min(...byEndpoint), 3) }
}
console.log(JSON.stringify({ name: 'balance', ...load, requests: shares('GET'), watches: shares('WATCH') }))

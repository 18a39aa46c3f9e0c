/**
 * The three endpoints of a backend are restarted one after another under 500 requests a second, half of them POST:
 * what clients see of it, and what was done twice. As Kubernetes does it, an endpoint is taken off the list at the moment
 * it is told to end; then again without a word about it (SIGTERM alone), and last killed under GETs alone.
 * Prints one JSON object.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { ENDPOINT_GROUP, ENDPOINT_PATH, type Endpoint, recordOf, startEndpoint } from './lib/endpoint.ts'
import { h2Client } from './lib/h2-client.ts'
import { paced } from './lib/paced.ts'
import { moveBackend } from './lib/register-backend.ts'
import { ADDRESSES, setStage } from './lib/stage.ts'

const PER_SECOND = 500
/** Between two restarts, and how long an endpoint is away. */
const PAUSE_MS = 2_000
const WAYS = {
  listed: { signal: 'SIGTERM', told: true, posts: true },
  unlisted: { signal: 'SIGTERM', told: false, posts: true },
  killed: { signal: 'SIGKILL', told: false, posts: false },
} as const

await using stage = await setStage({ endpoints: ADDRESSES.length })
using client = await h2Client(stage.target)
await using started = new AsyncDisposableStack()
const endpoints: Endpoint[] = [...stage.endpoints]
const results: Record<string, object> = {}
for (const [name, way] of Object.entries(WAYS)) {
  const before = recordOf(stage.folder).length
  const load = await paced(PER_SECOND, rollOut(way), (n) =>
    way.posts && n % 2 === 1 ? client.send('POST', ENDPOINT_PATH, `${name}-${n}`) : client.send('GET', ENDPOINT_PATH),
  )
  const posted = recordOf(stage.folder)
    .slice(before)
    .flatMap((line) => /POST (.*)/.exec(line)?.[1] ?? [])
  const sent = way.posts ? Math.floor(load.sent / 2) : 0
  results[name] = {
    ...load,
    postsSent: sent,
    postsSeen: new Set(posted).size,
    postsTwice: posted.length - new Set(posted).size,
  }
}
console.log(JSON.stringify({ name: 'rollout', ...results }))

async function rollOut(way: (typeof WAYS)[keyof typeof WAYS]): Promise<void> {
  await pause(PAUSE_MS)
  for (const [i, old] of endpoints.entries()) {
    const others = endpoints.filter((e) => e !== old)
    await Promise.all([way.told ? moveBackend(stage.admin, ENDPOINT_GROUP, others) : undefined, old.end(way.signal)])
    await pause(PAUSE_MS / 2)
    const { folder } = stage
    endpoints[i] = started.use(await startEndpoint({ folder, address: old.address, port: old.port }))
    if (way.told) await moveBackend(stage.admin, ENDPOINT_GROUP, endpoints)
    await pause(PAUSE_MS)
  }
}

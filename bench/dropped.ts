/**
 * An endpoint whose packets vanish, without RST or FIN, under 200 requests a second, half of them POST: how long until the
 * last request that waited for it is answered, over what time clients see errors, and how soon after the packets come
 * through again all is well. Beside another endpoint, and alone. With the default settings; prints one JSON object.
 * Needs root.
 */
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { ENDPOINT_GROUP, ENDPOINT_PATH, putCertificates, recordOf, startEndpoint } from './lib/endpoint.ts'
import { h2Client } from './lib/h2-client.ts'
import { openNetworkNamespace } from './lib/network-namespace.ts'
import { paced } from './lib/paced.ts'
import { moveBackend } from './lib/register-backend.ts'
import { setStage } from './lib/stage.ts'

const PER_SECOND = 200
const AWAY_MS = 15_000

async function measure(others: 0 | 1): Promise<object> {
  using outside = openNetworkNamespace()
  await using stage = await setStage({ endpoints: 1 })
  const folder = mkdtempSync(join(stage.folder, 'outside-'))
  putCertificates(folder, stage.server.pki.servingFor('outside', [outside.address]))
  await using dropped = await startEndpoint({ folder, address: outside.address, by: outside.by })
  await moveBackend(stage.admin, ENDPOINT_GROUP, [dropped, ...stage.endpoints.slice(0, others)])
  using client = await h2Client(stage.target)
  const errors: number[] = []
  const waits: number[] = []
  let [droppedMs, restoredMs] = [0, 0]
  const during = async (): Promise<void> => {
    await pause(2_000)
    outside.drop()
    droppedMs = performance.now()
    await pause(AWAY_MS)
    outside.restore()
    restoredMs = performance.now()
    await pause(5_000)
  }
  const load = await paced(PER_SECOND, during(), async (n) => {
    const sentMs = performance.now()
    const answer = await client.send(n % 2 === 0 ? 'GET' : 'POST', ENDPOINT_PATH, n % 2 === 0 ? undefined : String(n))
    const nowMs = performance.now()
    waits.push(nowMs - sentMs)
    if (answer.status !== 200) errors.push(nowMs)
    return { status: answer.status, text: '' }
  })
  const posts = [...recordOf(folder), ...recordOf(stage.folder)].flatMap((l) => /POST (.*)/.exec(l)?.[1] ?? [])
  const away = errors.filter((ms) => ms < restoredMs)
  return {
    ...load,
    slowestMs: Math.round(Math.max(...waits)),
    slowerThan1s: waits.filter((ms) => ms > 1_000).length,
    firstErrorMs: Math.round((away[0] ?? droppedMs) - droppedMs),
    errorWindowMs: Math.round((away.at(-1) ?? 0) - (away[0] ?? 0)),
    lastErrorAfterRecoveryMs: Math.round(Math.max(0, (errors.at(-1) ?? 0) - restoredMs)),
    postsTwice: posts.length - new Set(posts).size,
  }
}

const [besideAnother, alone] = [await measure(1), await measure(0)]
console.log(JSON.stringify({ name: 'dropped', besideAnother, alone }))

/**
 * 1,000 APIServices made and deleted, ten times, twice over: what that leaves in memory. Prints one JSON object. Needs etcd.
 *
 * A round before is warm-up: code is compiled and buffers find their size. What watch caches keep of the latest 75 s for
 * their watches is given time to go before and after. So is V8: when nothing is asked of it, it collects twice, each 100 s
 * after the last time, and between collections garbage comes up again, of which the lowest point of these minutes is free.
 * etcd keeps its history in a process of its own. What leaks would grow with the second ten as with the first.
 */
import { startEtcd } from '../test/harness/etcd.ts'
import { httpClient } from '../test/harness/http-client.ts'
import { startServerProcess } from './lib/server-process.ts'

const REGISTRATIONS = 1000
const ROUNDS = 10
const AT_ONCE = 16
const SETTLE_MS = 5_000
const SETTLED_AFTER_MS = 300_000
const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'

await using etcd = await startEtcd()
await using server = await startServerProcess([`--etcd-servers=${etcd.connection.servers.join(',')}`])
const admin = httpClient(`https://127.0.0.1:${server.port}`, { ca: server.pki.ca().cert, ...server.pki.admin() })
await admin.post('/api/v1/namespaces/default/services', {
  metadata: { name: 'gone' },
  spec: { type: 'ExternalName', externalName: 'localhost' },
})
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
/** The least resident memory in the minutes after. */
async function settledMiB(): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let ms = 0; ms < SETTLED_AFTER_MS; ms += SETTLE_MS) {
    await settle()
    least = Math.min(least, server.rssMiB())
  }
  return least
}
async function each(work: (i: number) => Promise<{ status: number; text: string }>): Promise<void> {
  const numbers = Array.from({ length: REGISTRATIONS }, (_, i) => i).values()
  const worker = async (): Promise<void> => {
    for (const i of numbers) {
      const { status, text } = await work(i)
      if (status >= 300) throw new Error(text)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}
async function round(): Promise<void> {
  await each((i) => {
    const group = `g${i}.example.com`
    const service = { namespace: 'default', name: 'gone', port: 1 }
    const spec = { group, version: 'v1', service, insecureSkipTLSVerify: true }
    return admin.post(APISERVICES, {
      metadata: { name: `v1.${group}` },
      spec: { ...spec, groupPriorityMinimum: 1000, versionPriority: 15 },
    })
  })
  await settle()
  await each((i) => admin.delete(`${APISERVICES}/v1.g${i}.example.com`))
  await settle()
}

const percent = (ratio: number): number => Math.round((ratio - 1) * 1000) / 10

await settle()
const idle = server.rssMiB()
await round()
const warm = await settledMiB()
let peak = warm
async function tenRounds(): Promise<{ rssMiB: number; liveMiB: number }> {
  for (let i = 0; i < ROUNDS; i++) {
    await round()
    peak = Math.max(peak, server.rssMiB())
  }
  const rssMiB = await settledMiB()
  const { text } = await admin.get('/metrics')
  const live = /^nodejs_heap_size_used_bytes (\S+)$/m.exec(text)![1]
  return { rssMiB, liveMiB: Number(live) / 2 ** 20 }
}
const first = await tenRounds()
const second = await tenRounds()
const { text } = await admin.get('/metrics')
console.log(
  JSON.stringify({
    name: 'registrations',
    registrations: REGISTRATIONS,
    rounds: ROUNDS,
    idleRssMiB: Math.round(idle),
    warmRssMiB: Math.round(warm),
    peakRssMiB: Math.round(peak),
    rssMiB: [first, second].map((ten) => Math.round(ten.rssMiB)),
    growthPercent: { first: percent(first.rssMiB / warm), second: percent(second.rssMiB / first.rssMiB) },
    heapUsedMiB: [first, second].map((ten) => Math.round(ten.liveMiB)),
    seriesLeft: text.split('\n').filter((line) => /g\d+\.example\.com/.test(line)).length,
  }),
)
await admin.close()

/**
 * 1,000 APIServices made and deleted, ten times, twice over: what that leaves in memory. Prints one JSON object. Needs etcd.
 *
 * A round before is warm-up: code is compiled and buffers find their size. What watch caches keep of the latest 75 s for
 * their watches is given time to go before and after, and V8 that to give back what it finds free, which it does once
 * minutes after the last work; etcd keeps its history in a process of its own. The first ten leave the allocators' pages
 * in pieces; what leaks would grow with the second ten as with the first.
 */
import { startEtcd } from '../test/harness/etcd.ts'
import { httpClient } from '../test/harness/http-client.ts'
import { startServerProcess } from './lib/server-process.ts'

const REGISTRATIONS = 1000
const ROUNDS = 10
const AT_ONCE = 16
const SETTLE_MS = 5_000
const FORGOTTEN_MS = Number(process.env['FORGOTTEN_MS'] ?? 160_000)
const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'

await using etcd = await startEtcd()
await using server = await startServerProcess([`--etcd-servers=${etcd.connection.servers.join(',')}`])
const admin = httpClient(`https://127.0.0.1:${server.port}`, { ca: server.pki.ca().cert, ...server.pki.admin() })
await admin.post('/api/v1/namespaces/default/services', {
  metadata: { name: 'gone' },
  spec: { type: 'ExternalName', externalName: 'localhost' },
})
const settle = (ms = SETTLE_MS): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
/** Resident memory once what is kept for a while is gone, and no less is to be had: it stands still for 40 s. */
async function settledMiB(): Promise<number> {
  await settle(FORGOTTEN_MS)
  const seen = [server.rssMiB()]
  for (let i = 0; i < 40; i++) {
    await settle()
    seen.push(server.rssMiB())
    const latest = seen.slice(-8)
    if (latest.length === 8 && Math.max(...latest) - Math.min(...latest) < 1) break
  }
  return seen.at(-1)!
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

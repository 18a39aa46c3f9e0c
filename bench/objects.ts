/**
 * Lists of 10,000 ConfigMaps, gets, writes, and one write to 1,000 watches. Prints one JSON object.
 * Storage is embedded. CPU figures are the server's own.
 */
import { connect } from 'node:http2'
import { httpClient } from '../test/harness/http-client.ts'
import { median, percentile, startServerProcess } from './lib/server-process.ts'

const OBJECTS = 10_000
const VALUE = 'x'.repeat(1024)
const WATCHES = 1000
const COLLECTION = '/api/v1/namespaces/default/configmaps'

await using server = await startServerProcess()
const admin = httpClient(`https://127.0.0.1:${server.port}`, { ca: server.pki.ca().cert, ...server.pki.admin() })

async function measure(rounds: number, call: () => Promise<unknown>): Promise<{ ms: number; cpuMs: number }> {
  const times: number[] = []
  const cpu: number[] = []
  for (let i = 0; i < rounds; i++) {
    const [startMs, startCpu] = [performance.now(), server.cpuSeconds()]
    await call()
    times.push(performance.now() - startMs)
    cpu.push((server.cpuSeconds() - startCpu) * 1000)
  }
  return { ms: Math.round(median(times)), cpuMs: Math.round(median(cpu)) }
}

const create = (i: number): Promise<unknown> =>
  admin.post(COLLECTION, { metadata: { name: `cm-${i}` }, data: { value: VALUE } })
const writeStart = performance.now()
const writeCpu = server.cpuSeconds()
for (let i = 0; i < OBJECTS; i += 16) await Promise.all(Array.from({ length: 16 }, (_, j) => create(i + j)))
const writes = {
  perSecond: Math.round(OBJECTS / ((performance.now() - writeStart) / 1000)),
  cpuSecondsPer1000: Math.round(((server.cpuSeconds() - writeCpu) / OBJECTS) * 1000 * 100) / 100,
}
const first = await measure(1, () => admin.get(COLLECTION))
const list = await measure(5, () => admin.get(COLLECTION))
const gzip = await measure(5, () => admin.get(COLLECTION, { headers: { 'accept-encoding': 'gzip' } }))
const paged = await measure(3, async () => {
  let token = ''
  do {
    const page = (await admin.get(`${COLLECTION}?limit=500${token === '' ? '' : `&continue=${token}`}`)).json<{
      metadata: { continue?: string }
    }>()
    token = page.metadata.continue ?? ''
  } while (token !== '')
})
const gets = await measure(3, async () => {
  for (let i = 0; i < 1000; i += 10)
    await Promise.all(Array.from({ length: 10 }, (_, j) => admin.get(`${COLLECTION}/cm-${i + j}`)))
})
const watch = await fanOut()
await admin.close()
console.log(
  JSON.stringify({
    name: 'objects',
    objects: OBJECTS,
    writes,
    firstList: first,
    list,
    listGzip: gzip,
    listInPagesOf500: paged,
    getCpuSecondsPer100k: gets.cpuMs / 10,
    watch,
    rssMiB: Math.round(server.rssMiB()),
  }),
)

/** Watches over eight HTTP/2 connections; then one write, until the last of them has it. */
async function fanOut(): Promise<object> {
  const sessions = Array.from({ length: 8 }, () =>
    connect(`https://127.0.0.1:${server.port}`, { ca: server.pki.ca().cert, ...server.pki.admin() }),
  )
  const idleRss = server.rssMiB()
  let received = 0
  let opened = 0
  let last = 0
  const allOpen = Promise.withResolvers<void>()
  let allSeen = Promise.withResolvers<void>()
  const { resourceVersion } = (await admin.get(`${COLLECTION}?limit=1`)).json<{
    metadata: { resourceVersion: string }
  }>().metadata
  for (let i = 0; i < WATCHES; i++) {
    const stream = sessions[i % sessions.length]!.request({
      ':path': `${COLLECTION}?watch=1&resourceVersion=${resourceVersion}`,
    })
    stream.on('response', () => {
      opened++
      if (opened === WATCHES) allOpen.resolve()
    })
    stream.on('data', () => {
      received++
      last = performance.now()
      if (received === WATCHES) allSeen.resolve()
    })
  }
  await allOpen.promise
  const kibEach = ((server.rssMiB() - idleRss) * 1024) / WATCHES
  const times: number[] = []
  const cpu: number[] = []
  for (let round = 0; round < 5; round++) {
    received = 0
    allSeen = Promise.withResolvers<void>()
    const [startMs, startCpu] = [performance.now(), server.cpuSeconds()]
    await create(OBJECTS + round + 1)
    await allSeen.promise
    times.push(last - startMs)
    cpu.push((server.cpuSeconds() - startCpu) * 1000)
  }
  for (const session of sessions) session.destroy()
  return {
    watches: WATCHES,
    lastAfterMs: Math.round(median(times)),
    worstMs: Math.round(percentile(times, 1)),
    cpuMs: Math.round(median(cpu)),
    kibEach: Math.round(kibEach),
  }
}

/** 1,000 BackendPolicies and their APIServices, registered one after the other. Prints one JSON object. */
import { httpClient } from '../test/harness/http-client.ts'
import { percentile, round, startServerProcess } from './lib/server-process.ts'

const COUNT = Number(process.env['COUNT'] ?? 1_000)
await using server = await startServerProcess(['--storage-backend=memory'])
const admin = httpClient(`https://127.0.0.1:${server.port}`, { ca: server.pki.ca().cert, ...server.pki.admin() })
const startedMs = performance.now()
const times: number[] = []
async function post(path: string, object: object): Promise<void> {
  const fromMs = performance.now()
  const { status, text } = await admin.post(path, object)
  if (status !== 201) throw new Error(text)
  times.push(performance.now() - fromMs)
}
for (let i = 0; i < COUNT; i++) {
  const group = `group${i}.example.com`
  const name = `v1.${group}`
  await post('/apis/gateway.portico.dev/v1alpha1/backendpolicies', {
    metadata: { name: `policy${i}` },
    spec: { targets: [{ apiService: name }], bulkhead: { maxInFlight: 5 } },
  })
  const service = { namespace: 'default', name: 'x' }
  await post('/apis/apiregistration.k8s.io/v1/apiservices', {
    metadata: { name },
    spec: { group, version: 'v1', service, groupPriorityMinimum: 1_000, versionPriority: 15 },
  })
}
const seconds = round((performance.now() - startedMs) / 1_000, 1)
const writeMs = { p50: round(percentile(times, 0.5), 1), p99: round(percentile(times, 0.99), 1) }
console.log(JSON.stringify({ name: 'policies', count: COUNT, seconds, writeMs, rssMiB: Math.round(server.rssMiB()) }))
await admin.close()

/**
 * Discovery with 500 groups: requests per second of one core, plain and 304; start-up time and memory with 500 APIServices.
 * Prints one JSON object. Needs h2load (Debian: nghttp2-client) and taskset.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { httpClient } from '../test/harness/http-client.ts'
import { median, startServerProcess } from './lib/server-process.ts'

const GROUPS = 500
const ROUNDS = 3
const V2 = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

/** @returns requests per second of server CPU time: the load generator cannot slow that down. */
async function perCore(
  pid: () => number,
  port: number,
  headers: readonly string[],
  requests: number,
  files: { cert: string; key: string },
): Promise<number> {
  const before = pid()
  const args = [
    '-n',
    String(requests),
    '-c',
    '8',
    '-m',
    '8',
    ...headers.flatMap((h) => ['-H', h]),
    `--header=accept-encoding: identity`,
    `https://127.0.0.1:${port}/apis`,
  ]
  const done = spawnSync('h2load', args, { encoding: 'utf8', env: { ...process.env, ...files } })
  const ok = /requests: \d+ total, \d+ started, \d+ done, (\d+) succeeded/.exec(done.stdout)?.[1]
  if (Number(ok) !== requests) throw new Error(done.stdout + done.stderr)
  return requests / (pid() - before)
}

const dataDir = mkdtempSync(join(tmpdir(), 'portico-bench-'))
try {
  {
    await using server = await startServerProcess([], { dataDir })
    const admin = httpClient(`https://127.0.0.1:${server.port}`, { ca: server.pki.ca().cert, ...server.pki.admin() })
    await admin.post('/api/v1/namespaces/default/services', {
      metadata: { name: 'gone' },
      spec: { type: 'ExternalName', externalName: 'localhost' },
    })
    const names = Array.from({ length: GROUPS }, (_, i) => `group${i}.example.com`)
    for (let i = 0; i < GROUPS; i += 50) {
      await Promise.all(
        names.slice(i, i + 50).map((group) =>
          admin.post('/apis/apiregistration.k8s.io/v1/apiservices', {
            metadata: { name: `v1.${group}` },
            spec: {
              group,
              version: 'v1',
              service: { namespace: 'default', name: 'gone', port: 1 },
              insecureSkipTLSVerify: true,
              groupPriorityMinimum: 1000,
              versionPriority: 15,
            },
          }),
        ),
      )
    }
    await admin.close()
  }
  const starts: number[] = []
  const memories: number[] = []
  const plain: number[] = []
  const aggregated: number[] = []
  const notModified: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    // h2load presents no certificate: everybody may read discovery for this.
    await using server = await startServerProcess(['--authorization-mode=AlwaysAllow'], { dataDir })
    starts.push(server.startMs)
    await new Promise((resolve) => setTimeout(resolve, 3000))
    memories.push(server.rssMiB())
    const anonymous = httpClient(`https://127.0.0.1:${server.port}`, { ca: server.pki.ca().cert })
    const answer = await anonymous.get('/apis', { headers: { accept: V2 } })
    const etag = String(answer.headers['etag'])
    await anonymous.close()
    const cpu = (): number => server.cpuSeconds()
    // What runs often is compiled first.
    for (const accept of ['application/json', V2])
      await perCore(cpu, server.port, [`accept: ${accept}`], 4000, server.files)
    plain.push(await perCore(cpu, server.port, ['accept: application/json'], 4000, server.files))
    aggregated.push(await perCore(cpu, server.port, [`accept: ${V2}`], 4000, server.files))
    notModified.push(await perCore(cpu, server.port, [`accept: ${V2}`, `if-none-match: ${etag}`], 40_000, server.files))
  }
  console.log(
    JSON.stringify({
      name: 'discovery',
      groups: GROUPS,
      startMs: Math.round(median(starts)),
      rssMiB: Math.round(median(memories)),
      legacyPerCoreSecond: Math.round(median(plain)),
      aggregatedPerCoreSecond: Math.round(median(aggregated)),
      notModifiedPerCoreSecond: Math.round(median(notModified)),
    }),
  )
} finally {
  rmSync(dataDir, { recursive: true, force: true })
}

/**
 * 50 APIServices of which 10 accept connections and never answer: how long discovery and an ordinary request take.
 * Prints one JSON object.
 */
import { createServer } from 'node:net'
import { httpClient } from '../test/harness/http-client.ts'
import { percentile, startServerProcess } from './lib/server-process.ts'

const ALL = 50
const HOLES = 10
const REQUESTS = 3000

const hole = createServer(() => {})
await new Promise<void>((resolve) => hole.listen(0, '127.0.0.1', resolve))
const { port } = hole.address() as { port: number }
const sockets: { destroy(): void }[] = []
hole.on('connection', (s) => sockets.push(s))
{
  await using server = await startServerProcess(['--storage-backend=memory'])
  const admin = httpClient(`https://127.0.0.1:${server.port}`, { ca: server.pki.ca().cert, ...server.pki.admin() })
  await admin.post('/api/v1/namespaces/default/services', {
    metadata: { name: 'gone' },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  })
  for (let i = 0; i < ALL; i++) {
    const group = `group${i}.example.com`
    const answer = await admin.post('/apis/apiregistration.k8s.io/v1/apiservices', {
      metadata: { name: `v1.${group}` },
      spec: {
        group,
        version: 'v1',
        service: { namespace: 'default', name: 'gone', port: i < HOLES ? port : 1 },
        insecureSkipTLSVerify: true,
        groupPriorityMinimum: 1000,
        versionPriority: 15,
      },
    })
    if (answer.status !== 201) throw new Error(answer.text)
  }
  const paths = { apis: '/apis', group: '/apis/group1.example.com', configmaps: '/api/v1/configmaps' }
  const p99: Record<string, number> = {}
  for (const [name, path] of Object.entries(paths)) {
    const times: number[] = []
    for (let i = 0; i < REQUESTS; i++) {
      const startMs = performance.now()
      await admin.get(path)
      times.push(performance.now() - startMs)
    }
    p99[name] = Math.round(percentile(times, 0.99) * 100) / 100
  }
  console.log(
    JSON.stringify({
      name: 'black-holes',
      apiServices: ALL,
      blackHoled: HOLES,
      p99Ms: p99,
      rssMiB: Math.round(server.rssMiB()),
    }),
  )
  await admin.close()
}
for (const socket of sockets) socket.destroy()
hole.close()

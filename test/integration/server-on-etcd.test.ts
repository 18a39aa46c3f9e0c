/** The whole server over a real etcd: what lies there, what two replicas see of each other, what an outage does. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { etcdMissing, startEtcd, untilServing } from '../harness/etcd.ts'
import type { HttpClient } from '../harness/http-client.ts'
import { missingProgram } from '../harness/programs.ts'
import { startTestServer } from '../harness/server.ts'

const skip = etcdMissing() || missingProgram('etcdctl', 'etcd-client')
const CREATED: readonly { path: string; body: object; key: string }[] = [
  { path: '/api/v1/namespaces', body: { metadata: { name: 'made' } }, key: '/registry/namespaces/made' },
  {
    path: '/api/v1/namespaces/default/configmaps',
    body: { metadata: { name: 'a' }, data: { k: 'v' } },
    key: '/registry/configmaps/default/a',
  },
  {
    path: '/api/v1/namespaces/default/secrets',
    body: { metadata: { name: 'a' } },
    key: '/registry/secrets/default/a',
  },
  {
    path: '/api/v1/namespaces/default/services',
    body: { metadata: { name: 'a' }, spec: { type: 'ExternalName', externalName: 'localhost' } },
    key: '/registry/services/specs/default/a',
  },
  {
    path: '/api/v1/namespaces/default/endpoints',
    body: { metadata: { name: 'a' } },
    key: '/registry/services/endpoints/default/a',
  },
  {
    path: '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices',
    body: { metadata: { name: 'a' }, addressType: 'IPv4', endpoints: [] },
    key: '/registry/endpointslices/default/a',
  },
  {
    path: '/apis/coordination.k8s.io/v1/namespaces/default/leases',
    body: { metadata: { name: 'a' }, spec: {} },
    key: '/registry/leases/default/a',
  },
  {
    path: '/api/v1/namespaces/default/events',
    body: {
      metadata: { name: 'a' },
      involvedObject: { namespace: 'default', kind: 'ConfigMap', name: 'a' },
      reason: 'Tested',
      message: 'm',
      type: 'Normal',
    },
    key: '/registry/events/default/a',
  },
  {
    path: '/apis/apiregistration.k8s.io/v1/apiservices',
    body: {
      metadata: { name: 'v1.garden.example.com' },
      spec: {
        group: 'garden.example.com',
        version: 'v1',
        groupPriorityMinimum: 1000,
        versionPriority: 15,
        insecureSkipTLSVerify: true,
        service: { namespace: 'default', name: 'nobody' },
      },
    },
    key: '/registry/apiregistration.k8s.io/apiservices/v1.garden.example.com',
  },
]

test('objects lie under the keys and in the form that kube-apiserver gives them', { skip }, async () => {
  await using etcd = await startEtcd()
  await using portico = await startTestServer([`--etcd-servers=${etcd.members[0]!.url}`])
  for (const { path, body } of CREATED) {
    const { status, text } = await portico.admin.post(path, body)
    assert.equal(status, 201, text)
  }
  const keys = etcdctl(etcd.members[0]!.url, 'get', '/', '--prefix', '--keys-only')
    .toString()
    .split('\n')
    .filter((k) => k !== '')
  assert.deepEqual(
    CREATED.filter(({ key }) => !keys.includes(key)),
    [],
    keys.join('\n'),
  )
  assert.deepEqual(
    keys.filter((k) => !/^(\/registry\/|compact_rev_key$)/.test(k)),
    [],
  )
  for (const { key } of CREATED) {
    const value = etcdctl(etcd.members[0]!.url, 'get', key, '--print-value-only')
    if (key.includes('/apiservices/')) assert.equal(value.subarray(0, 1).toString(), '{', key)
    else assert.equal(value.subarray(0, 4).toString('latin1'), 'k8s\0', key)
  }
  const { text } = await portico.anonymous.get('/readyz?verbose')
  assert.match(text, /^\[\+\]etcd ok$/m)
  assert.match(text, /^\[\+\]etcd-readiness ok$/m)
})

test('two replicas over one etcd see what the other writes', { skip }, async () => {
  await using etcd = await startEtcd()
  const args = [`--etcd-servers=${etcd.members[0]!.url}`]
  await using first = await startTestServer(args)
  await using second = await startTestServer(args)
  const pairs = [
    [first, second],
    [second, first],
  ] as const
  for (const [i, [writer, reader]] of pairs.entries()) {
    const name = `from-${i}`
    const seen = firstEvent(reader.admin, name)
    const made = await writer.admin.post('/api/v1/namespaces/default/configmaps', { metadata: { name } })
    assert.equal(made.status, 201)
    assert.deepEqual(await seen, made.json<{ metadata: object }>().metadata)
    // A plain read must not be older than the write of the other one.
    assert.equal((await reader.admin.get(`/api/v1/namespaces/default/configmaps/${name}`)).status, 200)
  }
})

test('without etcd: not ready, cached reads go on, writes are told to come back; all recovers', { skip }, async () => {
  await using etcd = await startEtcd()
  await using portico = await startTestServer([`--etcd-servers=${etcd.members[0]!.url}`])
  const { admin, anonymous } = portico
  const configmaps = '/api/v1/namespaces/default/configmaps'
  await admin.post(configmaps, { metadata: { name: 'kept' } })
  // A read from the cache may be behind: it has to know the object before the outage.
  await until(async () => (await admin.get(`${configmaps}/kept?resourceVersion=0`)).status === 200)

  await etcd.members[0]!.kill()
  const red = await anonymous.get('/readyz')
  assert.equal(red.status, 500)
  assert.match(red.text, /^\[-\]etcd failed: reason withheld$/m)
  assert.match((await admin.get('/readyz/etcd')).text, /^internal server error: error getting data from etcd: /)
  const cached = await admin.get(`${configmaps}?resourceVersion=0`)
  assert.equal(cached.status, 200)
  assert.equal(cached.json<{ items: { metadata: { name: string } }[] }>().items.at(-1)!.metadata.name, 'kept')
  const refused = await admin.post(configmaps, { metadata: { name: 'new' } })
  assert.equal(refused.status, 500, refused.text)
  const { reason, details } = refused.json<{ reason: string; details: { retryAfterSeconds: number } }>()
  assert.equal(reason, 'ServerTimeout')
  assert.ok(details.retryAfterSeconds > 0)
  assert.equal(refused.headers['retry-after'], String(details.retryAfterSeconds))

  await etcd.members[0]!.start()
  await untilServing(etcd.connection)
  await until(async () => (await anonymous.get('/readyz')).status === 200)
  await until(async () => (await admin.post(configmaps, { metadata: { name: 'after' } })).status === 201)
  await until(async () => (await admin.get(`${configmaps}/after?resourceVersion=0`)).status === 200)
})

function etcdctl(url: string, ...args: string[]): Buffer {
  return execFileSync('etcdctl', ['--endpoints', url, ...args], { env: { ...process.env, ETCDCTL_API: '3' } })
}

/** @returns the metadata of the object in the first event about it. */
async function firstEvent(client: HttpClient, name: string): Promise<object> {
  const path = `/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=metadata.name%3D${name}`
  const { body } = await client.stream(path, { signal: AbortSignal.timeout(10_000) })
  let text = ''
  for await (const chunk of body) {
    text += String(chunk)
    if (text.includes('\n')) break
  }
  body.destroy()
  return (JSON.parse(text.split('\n')[0]!) as { object: { metadata: object } }).object.metadata
}

/** Asks again until it is so; fails after 20 s. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('it did not come to be so')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { KubeObject } from '../api/meta.ts'
import { StatusError } from '../api/status-error.ts'
import { Client, errorOf, type ResourceClient } from './client.ts'
import { readLines, readWhole } from './response-body.ts'
import type { TransportRequest } from './transport.ts'

const GVR = { group: 'apps', version: 'v1', resource: 'deployments' }

function fake(answer: { status?: number; body: string | string[] }) {
  const requests: TransportRequest[] = []
  const client = new Client(
    async (request) => {
      requests.push(request)
      return { status: answer.status ?? 200, headers: {}, body: chunks(answer.body) }
    },
    { 'user-agent': 'test' },
  )
  return { requests, client, deployments: client.resource<KubeObject>(GVR) }
}
async function* chunks(body: string | string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of typeof body === 'string' ? [body] : body) yield Buffer.from(chunk, 'latin1')
}

const cases: readonly { name: string; call: (d: ResourceClient<KubeObject>) => Promise<unknown>; want: string }[] = [
  {
    name: 'get',
    call: (d) => d.get('a b', { namespace: 'ns' }),
    want: 'GET /apis/apps/v1/namespaces/ns/deployments/a%20b',
  },
  { name: 'list of all namespaces', call: (d) => d.list(), want: 'GET /apis/apps/v1/deployments' },
  {
    name: 'list options',
    call: (d) => d.list({ namespace: 'ns', labelSelector: 'a=b', limit: 5, resourceVersion: '0' }),
    want: 'GET /apis/apps/v1/namespaces/ns/deployments?labelSelector=a%3Db&resourceVersion=0&limit=5',
  },
  {
    name: 'create takes the namespace of the object',
    call: (d) => d.create({ metadata: { name: 'x', namespace: 'ns' } }),
    want: 'POST /apis/apps/v1/namespaces/ns/deployments',
  },
  {
    name: 'status of an object',
    call: (d) => d.updateStatus({ metadata: { name: 'x', namespace: 'ns' } }, { fieldManager: 'me' }),
    want: 'PUT /apis/apps/v1/namespaces/ns/deployments/x/status?fieldManager=me',
  },
  {
    name: 'apply',
    call: (d) => d.patch('x', {}, { type: 'apply', namespace: 'ns', fieldManager: 'me', force: true }),
    want: 'PATCH /apis/apps/v1/namespaces/ns/deployments/x?fieldManager=me&force=true',
  },
  {
    name: 'delete',
    call: (d) => d.delete('x', { namespace: 'ns', propagationPolicy: 'Background' }),
    want: 'DELETE /apis/apps/v1/namespaces/ns/deployments/x',
  },
]
for (const { name, call, want } of cases) {
  test(`client request: ${name}`, async () => {
    const { requests, deployments } = fake({ body: '{}' })
    await call(deployments)
    assert.equal(`${requests[0]!.method} ${requests[0]!.path}`, want)
    assert.equal(requests[0]!.headers['user-agent'], 'test')
  })
}
test('client request: core group paths, content types and delete options', async () => {
  const { requests, client } = fake({ body: '{}' })
  const pods = client.resource({ group: '', version: 'v1', resource: 'pods' })
  await pods.patch('p', [], { type: 'json' })
  await pods.delete('p', { gracePeriodSeconds: 0, preconditions: { uid: 'u' } })
  assert.equal(requests[0]!.path, '/api/v1/pods/p')
  assert.equal(requests[0]!.headers['content-type'], 'application/json-patch+json')
  assert.deepEqual(JSON.parse(Buffer.from(requests[1]!.body!).toString()), {
    kind: 'DeleteOptions',
    apiVersion: 'v1',
    gracePeriodSeconds: 0,
    preconditions: { uid: 'u' },
  })
})
test('client errors: a Status keeps its reason and details, plain text is the message', async () => {
  const status = {
    kind: 'Status',
    reason: 'Conflict',
    message: 'changed',
    code: 409,
    details: { retryAfterSeconds: 3 },
  }
  const { deployments } = fake({ status: 409, body: JSON.stringify(status) })
  await assert.rejects(deployments.get('x'), (e) => {
    assert.ok(e instanceof StatusError)
    assert.deepEqual([e.code, e.reason, e.message, e.details?.retryAfterSeconds], [409, 'Conflict', 'changed', 3])
    return true
  })
  const plain = errorOf(429, 'Too many requests, please try again later.\n')
  assert.deepEqual([plain.code, plain.reason], [429, 'TooManyRequests'])
})
test('client watch: events over any chunking, an ERROR is thrown as its Status', async () => {
  const text = Buffer.from(
    '{"type":"ADDED","object":{"metadata":{"name":"ü"}}}\n{"type":"BOOKMARK","object":{"metadata":{}}}\n' +
      '{"type":"ERROR","object":{"kind":"Status","reason":"Expired","code":410}}\n',
  ).toString('latin1')
  for (const size of [1, 7, 1000]) {
    const parts = text.match(new RegExp(`[^]{1,${size}}`, 'g'))!
    const { deployments, requests } = fake({ body: parts })
    const seen: string[] = []
    await assert.rejects(
      async () => {
        for await (const e of deployments.watch({ resourceVersion: '5', allowWatchBookmarks: true })) {
          seen.push(`${e.type} ${e.object.metadata.name ?? ''}`)
        }
      },
      (e) => e instanceof StatusError && e.code === 410 && e.reason === 'Expired',
    )
    assert.deepEqual(seen, ['ADDED ü', 'BOOKMARK '])
    assert.match(requests[0]!.path, /\?resourceVersion=5&watch=true&allowWatchBookmarks=true$/)
  }
})
test('response bodies are bounded', async () => {
  await assert.rejects(readWhole(chunks(['12345', '67890']), 9), RangeError)
  assert.equal((await readWhole(chunks(['12345', '67890']), 10)).toString(), '1234567890')
  await assert.rejects(async () => {
    for await (const _ of readLines(chunks(['12345', '67890']), 9)) assert.fail('no line')
  }, RangeError)
})

/** Writes that are refused: with kube-apiserver's code, reason and text, and the objects stay as they are. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Status } from '../../src/api/status-error.ts'
import { BAD_WRITES, MAPS, SERVICES } from '../harness/bad-writes.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

let portico: TestServer
const stored = async (): Promise<string[]> =>
  Promise.all([MAPS, SERVICES].map(async (path) => (await portico.admin.get(`${path}/bad`)).text))
let prepared: string[]
before(async () => {
  portico = await startTestServer()
  await portico.admin.post(MAPS, { metadata: { name: 'bad' }, data: { a: '1' } })
  const spec = { type: 'ExternalName', externalName: 'x.example.com' }
  await portico.admin.post(SERVICES, { metadata: { name: 'bad' }, spec })
  prepared = await stored()
})
after(() => portico.stop())

for (const { name, method, path, type, body, accept, ...want } of BAD_WRITES) {
  test(name, async () => {
    const headers = { ...(type ? { 'content-type': type } : {}), ...(accept ? { accept } : {}) }
    const answer = await portico.admin.request(method, path, { headers, ...(body === undefined ? {} : { body }) })
    const status = answer.json<Status>()
    assert.deepEqual(
      [answer.status, status.code, status.reason ?? ''],
      [want.code, want.code, want.reason],
      answer.text,
    )
    if (typeof want.message === 'string') assert.equal(status.message, want.message)
    else assert.match(status.message ?? '', want.message)
    assert.deepEqual(await stored(), prepared)
  })
}

test('of two YAML documents apply takes the first', async () => {
  const first = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\ndata: {a: first}\n'
  const both = `${first}---\n${first.replace('first', 'second')}`
  const answer = await portico.admin.patch(`${MAPS}/two?fieldManager=m`, 'apply', both)
  assert.equal(answer.status, 201, answer.text)
  assert.deepEqual(answer.json<{ data: object }>().data, { a: 'first' })
})

test('a deletecollection that asks for protobuf gets the list of what it deleted, in protobuf', async () => {
  await portico.admin.post(MAPS, { metadata: { name: 'gone', labels: { a: 'gone' } } })
  const answer = await portico.admin.delete(`${MAPS}?labelSelector=a%3Dgone`, {
    headers: { accept: 'application/vnd.kubernetes.protobuf' },
  })
  assert.deepEqual([answer.status, answer.headers['content-type']], [200, 'application/vnd.kubernetes.protobuf'])
  assert.match(answer.text, /ConfigMapList/)
  assert.equal((await portico.admin.get(`${MAPS}/gone`)).status, 404)
})

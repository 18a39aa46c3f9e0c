import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startTestServer } from '../harness/server.ts'

test('a server starts, is ready, stores an object, and stops', async () => {
  await using portico = await startTestServer()
  const { admin, anonymous } = portico
  assert.equal((await anonymous.get('/readyz')).text, 'ok')
  assert.equal((await anonymous.get('/version')).json<{ minor: string }>().minor, '35')
  const created = await admin.post('/api/v1/namespaces/default/configmaps', {
    metadata: { name: 'a' },
    data: { k: 'v' },
  })
  assert.equal(created.status, 201, created.text)
  const got = await admin.get('/api/v1/namespaces/default/configmaps/a')
  assert.deepEqual(got.json(), created.json())
  assert.equal((await anonymous.get('/api/v1/namespaces/default/configmaps/a')).status, 403)
  assert.equal((await admin.get('/apis/nobody.example.com/v1/things')).status, 404)
})

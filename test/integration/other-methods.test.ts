/** HEAD, OPTIONS and methods that a path does not take. The answers are those of a kube-apiserver 1.35.4. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { AdmissionChain } from '../../src/access/admission/admission.ts'
import { writeText } from '../../src/http/write-status.ts'
import { ResourceServer } from '../../src/servers/generic/resource-server.ts'
import type { Subresource } from '../../src/servers/generic/served-resource.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { thingGroup, thingResource } from '../harness/thing-server.ts'
import { THING_FORM } from '../harness/things.ts'

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
const THING = '/apis/test/v1/namespaces/default/things/x'
const ok = (ctx: Parameters<typeof writeText>[0]): void => writeText(ctx, 200, 'connected')
const SUBRESOURCES: readonly Subresource[] = [
  { is: 'view', name: 'status', verbs: ['get', 'patch', 'update'], strategy: thingResource().strategy },
  { is: 'object', name: 'scale', verbs: ['get'], of: THING_FORM, handlers: { get: ok } },
  { is: 'object', name: 'token', verbs: ['create'], of: THING_FORM, handlers: { create: ok } },
  { is: 'connect', name: 'exec', methods: ['GET', 'POST'], options: THING_FORM, takesPath: false, open: ok },
  {
    is: 'connect',
    name: 'proxy',
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'],
    options: THING_FORM,
    takesPath: true,
    open: ok,
  },
]

type Row = readonly [method: string, path: string, status: number]
const both = (path: string, status: number): Row[] => [
  ['HEAD', path, status],
  ['OPTIONS', path, status],
]
const ROWS: readonly Row[] = [
  ...both('/api/v1/configmaps', 405),
  ...both(CONFIG_MAPS, 405),
  ...both(`${CONFIG_MAPS}/x`, 405),
  ...both(`${CONFIG_MAPS}/x/status`, 404),
  ...both('/api/v1/namespaces/default', 405),
  ...both('/api/v1/namespaces/default/status', 405),
  ...both('/api/v1/namespaces/default/finalize', 405),
  ...both('/api/v1/watch/configmaps', 405),
  ['POST', '/api/v1/watch/configmaps', 405],
  ['DELETE', `/api/v1/watch/namespaces/default/configmaps/x`, 405],
  ...both('/api/v1/namespaces/default/nothings', 404),
  ...both('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', 405),
  ...both('/apis/authorization.k8s.io/v9/none', 404),
  ...both('/apis/no.group/v1/none', 404),
  ...both(`${THING}/status`, 405),
  ...both(`${THING}/scale`, 405),
  ...both(`${THING}/token`, 405),
  ...both(`${THING}/exec`, 405),
  ...both(`${THING}/proxy`, 200),
  ...both(`${THING}/proxy/more`, 200),
  ...both(`${THING}/none`, 404),
  ...both('/api', 405),
  ...both('/api/v1', 405),
  ...both('/apis', 200),
  ...both('/apis/authorization.k8s.io', 200),
  ...both('/apis/authorization.k8s.io/v1', 405),
  ...both('/version', 405),
  ...both('/healthz', 200),
  ...both('/openapi/v2', 200),
  ...both('/metrics', 200),
  ...both('/nothing', 404),
  ['FOO', CONFIG_MAPS, 405],
  ['TRACE', `${CONFIG_MAPS}/x`, 405],
  ['PUT', CONFIG_MAPS, 405],
  ['FOO', `${THING}/exec`, 405],
]
const TEXTS: Readonly<Record<number, string>> = {
  404: 'the server could not find the requested resource',
  405: 'the server does not allow this method on the requested resource',
}

describe('other methods', () => {
  let portico: TestServer
  let things: ResourceServer
  before(async () => {
    portico = await startTestServer([], {
      servers: (shared) => {
        const { deleteOptions } = shared.tables
        things = new ResourceServer({ ...shared, name: 'things', deleteOptions, admission: new AdmissionChain([]) })
        return [things]
      },
    })
    await things.publish([thingGroup([thingResource({ subresources: SUBRESOURCES })])])
  })
  after(async () => {
    await portico.stop()
    await things[Symbol.asyncDispose]()
  })

  for (const [method, path, status] of ROWS)
    test(`${method} ${path}: ${status}`, async () => {
      const answer = await portico.admin.request(method, path, { signal: AbortSignal.timeout(10_000) })
      assert.equal(answer.status, status)
      assert.equal(answer.headers['allow'], undefined)
      if (method === 'HEAD') assert.equal(answer.text, '')
      else if (status >= 400 && answer.headers['content-type'] === 'application/json') {
        const { message, details } = answer.json<{ message: string; details: object }>()
        assert.deepEqual([message, details], [TEXTS[status], {}])
      }
    })

  for (const [method, path, text] of [
    ['OPTIONS', `${CONFIG_MAPS}/x`, 'User "jane" cannot  resource "configmaps"'],
    ['OPTIONS', '/nothing', 'User "jane" cannot options path "/nothing"'],
    ['OPTIONS', `${THING}/exec`, 'User "jane" cannot  resource "things/exec"'],
  ] as const)
    test(`${method} ${path}, not authorized: 403 before it is known whether the path takes it`, async () => {
      const answer = await portico.as('jane').request(method, path)
      assert.equal(answer.status, 403)
      assert.ok(answer.json<{ message: string }>().message.includes(text), answer.text)
    })
  test('HEAD is authorized as a get of a resource, and as a head of other paths', async () => {
    assert.equal((await portico.anonymous.request('HEAD', '/version')).status, 403)
    const refused = await portico.as('jane').get(`${CONFIG_MAPS}/x`)
    const { headers } = await portico.as('jane').request('HEAD', `${CONFIG_MAPS}/x`)
    assert.equal(headers['content-length'], refused.headers['content-length'])
  })
  test('metrics name the verb by the method: that of OPTIONS is other', async () => {
    await portico.admin.request('OPTIONS', `${CONFIG_MAPS}/counted`)
    const { text } = await portico.admin.get('/metrics')
    assert.match(text, /^apiserver_request_total\{verb="other",[^}]*resource="configmaps"[^}]*code="405"\} \d/m)
  })
})

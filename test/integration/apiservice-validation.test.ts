import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type TestServer, startTestServer } from '../harness/server.ts'

const PATH = '/apis/apiregistration.k8s.io/v1/apiservices'
let portico: TestServer
before(async () => {
  portico = await startTestServer()
})
after(() => portico.stop())

interface Row {
  readonly name: string
  readonly spec: object
  readonly objectName?: string
  /** Field and body of each cause. */
  readonly causes: readonly (readonly [field: string, message: string])[]
}
const service = { namespace: 'n', name: 's' }
const good = { group: 'g.example.com', version: 'v1', groupPriorityMinimum: 1000, versionPriority: 15 }
const rows: readonly Row[] = [
  {
    name: 'the name is version and group',
    objectName: 'wrong',
    spec: good,
    causes: [['metadata.name', 'Invalid value: "wrong": must be `spec.version+"."+spec.group`: "v1.g.example.com"']],
  },
  {
    name: 'only v1 may be of the core group',
    objectName: 'v2.',
    spec: { ...good, group: '', version: 'v2' },
    causes: [['spec.group', 'Required value: only v1 may have an empty group and it better be legacy kube']],
  },
  {
    name: 'group priority is at least 1',
    spec: { ...good, groupPriorityMinimum: 0 },
    causes: [['spec.groupPriorityMinimum', 'Invalid value: 0: must be positive and less than 20000']],
  },
  {
    name: 'group priority is at most 20000',
    spec: { ...good, groupPriorityMinimum: 20001 },
    causes: [['spec.groupPriorityMinimum', 'Invalid value: 20001: must be positive and less than 20000']],
  },
  {
    name: 'version priority is at most 1000',
    spec: { ...good, versionPriority: 1001 },
    causes: [['spec.versionPriority', 'Invalid value: 1001: must be positive and less than 1000']],
  },
  {
    name: 'a local one has no CA and no insecure TLS',
    spec: { ...good, caBundle: Buffer.from('x').toString('base64'), insecureSkipTLSVerify: true },
    causes: [
      ['spec.caBundle', 'Invalid value: "1 bytes": local APIServices may not have a caBundle'],
      ['spec.insecureSkipTLSVerify', 'Invalid value: true: local APIServices may not have insecureSkipTLSVerify'],
    ],
  },
  {
    name: 'a remote one names its service',
    spec: { ...good, service: {} },
    causes: [
      ['spec.service.namespace', 'Required value'],
      ['spec.service.name', 'Required value'],
    ],
  },
  {
    name: 'a port is a port',
    spec: { ...good, service: { ...service, port: 70000 } },
    causes: [['spec.service.port', 'Invalid value: 70000: port is not valid: must be between 1 and 65535, inclusive']],
  },
  {
    name: 'a CA and insecure TLS contradict each other',
    spec: { ...good, service, insecureSkipTLSVerify: true, caBundle: Buffer.from('x').toString('base64') },
    causes: [['spec.insecureSkipTLSVerify', 'Invalid value: true: may not be true if caBundle is present']],
  },
]
for (const { name, spec, objectName, causes } of rows) {
  test(`APIService: ${name}`, async () => {
    const { group, version } = spec as { group: string; version: string }
    const answer = await portico.admin.post(PATH, { metadata: { name: objectName ?? `${version}.${group}` }, spec })
    const status = answer.json<{
      reason: string
      details: { kind: string; group: string; causes: { field: string; message: string }[] }
    }>()
    assert.equal(answer.status, 422, answer.text)
    assert.deepEqual(
      [status.reason, status.details.kind, status.details.group],
      ['Invalid', 'APIService', 'apiregistration.k8s.io'],
    )
    assert.deepEqual(
      status.details.causes.map((c) => [c.field, c.message]),
      causes,
    )
  })
}

test('APIService: the port defaults to 443, status is wiped, a local one is judged at once', async () => {
  const remote = await portico.admin.post(PATH, {
    metadata: { name: 'v1.remote.example.com' },
    spec: { ...good, group: 'remote.example.com', service },
    status: { conditions: [{ type: 'Available', status: 'True' }] },
  })
  const { spec, status } = remote.json<{ spec: { service: { port: number } }; status: object }>()
  assert.deepEqual([spec.service.port, status], [443, {}])
  const local = await portico.admin.post(PATH, {
    metadata: { name: 'v1.local.example.com' },
    spec: { ...good, group: 'local.example.com' },
  })
  // Nobody serves it.
  const [condition] = local.json<{
    status: { conditions: { type: string; status: string; reason: string; message: string }[] }
  }>().status.conditions
  assert.deepEqual(
    [condition!.type, condition!.status, condition!.reason, condition!.message],
    ['Available', 'False', 'LocalNotServed', 'no server here serves local.example.com/v1, and spec.service names none'],
  )
})

test('APIService: an update needs a resourceVersion, a status update leaves the spec', async () => {
  const name = 'v1.update.example.com'
  const made = await portico.admin.post(PATH, {
    metadata: { name },
    spec: { ...good, group: 'update.example.com', service },
  })
  const object = made.json<{ metadata: { resourceVersion: string }; spec: object }>()
  const without = await portico.admin.put(`${PATH}/${name}`, { metadata: { name }, spec: object.spec })
  assert.equal(without.status, 422)
  assert.match(without.text, /metadata\.resourceVersion: Invalid value: 0(x0)?: must be specified for an update/)
  const { resourceVersion } = (await portico.admin.get(`${PATH}/${name}`)).json<typeof object>().metadata
  const status = { conditions: [{ type: 'Custom', status: 'Maybe' }] }
  const bad = await portico.admin.put(`${PATH}/${name}/status`, {
    metadata: { name, resourceVersion },
    spec: object.spec,
    status,
  })
  assert.match(
    bad.text,
    /status\.conditions\[0\]\.status: Unsupported value: \\"Maybe\\": supported values: \\"True\\", \\"False\\", \\"Unknown\\"/,
  )
})

test('APIService: what is allowed and will hurt is warned about', async () => {
  const insecure = await portico.admin.post(PATH, {
    metadata: { name: 'v1.insecure.example.com' },
    spec: { ...good, group: 'insecure.example.com', service, insecureSkipTLSVerify: true },
  })
  assert.match(String(insecure.headers['warning']), /^299 - "spec\.insecureSkipTLSVerify: /)
  const bundle = await portico.admin.post(PATH, {
    metadata: { name: 'v1.bundle.example.com' },
    spec: { ...good, group: 'bundle.example.com', service, caBundle: Buffer.from('no pem').toString('base64') },
  })
  assert.match(String(bundle.headers['warning']), /unable to parse bytes as PEM block/)
})

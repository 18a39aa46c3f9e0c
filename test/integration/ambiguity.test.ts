/** What is ambiguous is told where it is written, in a condition, and by the doctor and the checker of files. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BackendPolicy } from '../../src/api/backend-policy.ts'
import { startPortico } from '../harness/portico-process.ts'
import { RAW_API_SERVICE, RAW_GROUP, RAW_TLS, registerRaw, startRawBackend } from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'
const POLICIES = '/apis/gateway.portico.dev/v1alpha1/backendpolicies'
const beta = (groupPriorityMinimum: number, versionPriority: number): object => ({
  apiVersion: 'apiregistration.k8s.io/v1',
  kind: 'APIService',
  metadata: { name: `v1beta1.${RAW_GROUP}` },
  spec: {
    group: RAW_GROUP,
    version: 'v1beta1',
    service: { namespace: 'default', name: 'raw' },
    groupPriorityMinimum,
    versionPriority,
    insecureSkipTLSVerify: false,
  },
})
const second = {
  apiVersion: 'gateway.portico.dev/v1alpha1',
  kind: 'BackendPolicy',
  metadata: { name: 'second' },
  spec: { targets: [{ group: RAW_GROUP }], bulkhead: { maxInFlight: 7 } },
}
async function overlapping(portico: TestServer, name: string, status: string): Promise<string> {
  const deadline = performance.now() + 10_000
  for (;;) {
    const found = (await portico.admin.get(`${POLICIES}/${name}`)).json<BackendPolicy>().status?.conditions ?? []
    const condition = found.find((c) => c.type === 'Overlapping')
    if (condition?.status === status) return condition.message ?? ''
    assert.ok(performance.now() < deadline, JSON.stringify(found))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

test('ambiguous registrations are warned of at the write, told in a condition, and by the doctor', async () => {
  await using portico = await startTestServer()
  await using raw = await startRawBackend(portico, { resources: ['services'] })
  await registerRaw(portico, {
    backends: [{ name: 'default', endpoints: [{ address: raw.address, port: raw.port }], tls: RAW_TLS }],
    bulkhead: { maxInFlight: 5 },
  })
  const made = await portico.admin.post(APISERVICES, beta(2000, 10))
  assert.equal(made.status, 201, made.text)
  assert.match(
    String(made.headers['warning']),
    /groupPriorityMinimum: v1\.raw\.example\.com of the same group has 1000; what v1\.raw/,
  )
  const updated = await portico.admin.patch(`${APISERVICES}/v1beta1.${RAW_GROUP}`, 'merge', {
    spec: { groupPriorityMinimum: 1000, versionPriority: 15 },
  })
  assert.match(
    String(updated.headers['warning']),
    /versionPriority: v1\.raw\.example\.com of the same group has 15, too/,
  )

  const policy = await portico.admin.post(POLICIES, second)
  assert.equal(policy.status, 201, policy.text)
  const text = /the policy \\?"raw\\?" is for v1\.raw\.example\.com, too; there bulkhead of \\?"raw\\?" holds/
  assert.match(String(policy.headers['warning']), text)
  assert.match(await overlapping(portico, 'second', 'True'), text)
  assert.match(await overlapping(portico, 'raw', 'True'), /the policy "second" is for/)

  await using made2 = startPortico(['doctor', RAW_API_SERVICE, `--kubeconfig=${portico.kubeconfig}`])
  const { stdout } = await made2.ended
  const [findings, remarks] = stdout.split(/^By the way:$/m)
  assert.doesNotMatch(findings!, /spec\.targets|alone means/, 'a remark is no finding')
  assert.match(remarks!, /^- v1\.raw\.example\.com: "services" alone means services of the core group/m)
  assert.match(remarks!, /^- v1\.raw\.example\.com: spec\.targets: the policy "\w+" is for v1\.raw\.example\.com, too/m)

  const alone = { spec: { bulkhead: null, probe: { interval: '9s' } } }
  const changed = await portico.admin.patch(`${POLICIES}/second`, 'merge', alone)
  assert.equal(changed.headers['warning'], undefined)
  await overlapping(portico, 'second', 'False')
})

test('portico check sees what files say of each other', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'portico-ambiguity-'))
  try {
    const first = { ...second, metadata: { name: 'first' } }
    for (const [i, o] of [beta(1000, 15), first, second].entries())
      writeFileSync(join(folder, `${i}.yaml`), JSON.stringify(o))
    await using made = startPortico(['check', '-f', folder])
    const { code, stdout } = await made.ended
    assert.equal(code, 0, stdout)
    assert.match(stdout, /BackendPolicy second: warning: spec\.targets: the policy "first" is for v1beta1\./)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { fixedAccess } from '../../fixtures/backends/delegated-access.ts'
import { FLOWERS } from '../../fixtures/backends/definitions.ts'
import { startSampleServer } from '../../fixtures/backends/sample-server.ts'
import { makeCA, makeCertificate } from '../../src/http/certificates.ts'
import { registerSample, untilCondition } from '../harness/backends.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

const APISERVICES = '/apis/apiregistration.k8s.io/v1/apiservices'
const NAME = 'v1.garden.example.com'

test('the probe verifies TLS as the traffic does: a certificate for another name is not believed', async () => {
  await using portico = await startTestServer()
  await using garden = await registerSample(portico, 'garden', { certificateNames: ['other.default.svc'], wait: false })
  const condition = await untilCondition(portico, NAME, (c) => c?.status === 'False')
  assert.equal(condition.reason, 'FailedDiscoveryCheck')
  assert.match(
    condition.message,
    /^failing or missing response from https:\/\/localhost:\d+\/apis\/garden\.example\.com\/v1: Get .*tls: failed to verify certificate: x509: /,
  )
  assert.equal((await portico.admin.get(garden.collection)).status, 503)
  assert.equal(garden.sample.seen.length, 0, 'nothing was asked')
})

test('an unknown CA is not believed, an unreadable one is said to be so, and no verification is what insecureSkipTLSVerify says', async () => {
  await using portico = await startTestServer()
  await using garden = await registerSample(portico, 'garden')
  const set = (spec: object): Promise<unknown> => portico.admin.patch(`${APISERVICES}/${NAME}`, 'merge', { spec })
  const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 }
  const foreign = makeCA({ commonName: 'foreign', ...validity })
  await set({ caBundle: Buffer.from(foreign.cert).toString('base64') })
  assert.match(
    (await untilCondition(portico, NAME, (c) => c?.status === 'False')).message,
    /x509: certificate signed by unknown authority/,
  )
  await set({
    caBundle: Buffer.from('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----').toString('base64'),
  })
  assert.equal((await untilCondition(portico, NAME, (c) => c?.reason === 'InvalidCABundle')).status, 'False')
  await set({ caBundle: null, insecureSkipTLSVerify: true })
  await untilCondition(portico, NAME, (c) => c?.status === 'True')
  assert.equal((await portico.admin.get(garden.collection)).status, 200)
})

test('with --enable-aggregator-routing requests go to a ready endpoint of the slices', async () => {
  await using portico = await startTestServer(['--enable-aggregator-routing'])
  await using sample = await startSampleServer({
    definition: FLOWERS,
    tls: portico.pki.servingFor('garden', ['garden.default.svc']),
    access: fixedAccess(portico.pki.frontProxyCA().cert),
  })
  const { admin } = portico
  const register = await admin.post(APISERVICES, {
    metadata: { name: NAME },
    spec: {
      group: FLOWERS.group,
      version: FLOWERS.version,
      service: { namespace: 'default', name: 'garden', port: 443 },
      caBundle: Buffer.from(portico.pki.ca().cert).toString('base64'),
      groupPriorityMinimum: 1000,
      versionPriority: 15,
    },
  })
  assert.equal(register.status, 201)
  const expect = async (reason: string): Promise<void> =>
    void (await untilCondition(portico, NAME, (c) => c?.reason === reason))
  await expect('ServiceNotFound')
  await admin.post('/api/v1/namespaces/default/services', {
    metadata: { name: 'garden' },
    spec: { ports: [{ name: 'web', port: 80 }] },
  })
  await expect('ServicePortError')
  await admin.patch('/api/v1/namespaces/default/services/garden', 'merge', {
    spec: { ports: [{ name: 'https', port: 443 }] },
  })
  await expect('EndpointsNotFound')
  const slices = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices'
  const slice = (conditions: object): object => ({
    metadata: { name: 'garden-1', labels: { 'kubernetes.io/service-name': 'garden' } },
    addressType: 'FQDN', // addresses of the loopback range are refused in slices
    endpoints: [{ addresses: ['localhost'], conditions }],
    ports: [{ name: 'https', port: sample.port, protocol: 'TCP' }],
  })
  const made = await admin.post(slices, slice({ ready: false }))
  assert.equal(made.status, 201, made.text)
  await expect('MissingEndpoints')
  assert.equal((await admin.put(`${slices}/garden-1`, slice({ ready: true }))).status, 200)
  await expect('Passed')
  assert.equal((await admin.get('/apis/garden.example.com/v1/flowers')).status, 200)
})

test('a new front-proxy certificate is shown to backends without a restart', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'portico-front-proxy-'))
  try {
    await rotate(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

async function rotate(folder: string): Promise<void> {
  const put = (name: string, content: string): string => {
    const path = join(folder, name)
    writeFileSync(`${path}.next`, content)
    renameSync(`${path}.next`, path)
    return path
  }
  const first = await startTestServer([], { dataDir: join(folder, 'data') })
  const ca = first.pki.frontProxyCA()
  await first.stop()
  const issue = (commonName: string): { cert: string; key: string } =>
    makeCertificate(
      { commonName, usages: ['client'], notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 },
      ca,
    )
  const one = issue('proxy-one')
  const flags = [
    `--proxy-client-cert-file=${put('proxy.crt', one.cert)}`,
    `--proxy-client-key-file=${put('proxy.key', one.key)}`,
  ]
  await using portico: TestServer = await startTestServer(flags, { dataDir: join(folder, 'data') })
  await using garden = await registerSample(portico, 'garden')
  const shown = (): string[] =>
    [...garden.sample.sockets].map((s) => new X509Certificate((s as TLSSocket).getPeerX509Certificate()!.raw).subject)
  assert.equal((await portico.admin.get(garden.collection)).status, 200)
  assert.ok(shown().every((s) => s === 'CN=proxy-one'))
  const two = issue('proxy-two')
  put('proxy.crt', two.cert)
  put('proxy.key', two.key)
  const deadline = Date.now() + 10_000
  while (!shown().includes('CN=proxy-two')) {
    assert.ok(Date.now() < deadline, shown().join())
    assert.equal((await portico.admin.get(garden.collection)).status, 200, 'no request fails meanwhile')
  }
}

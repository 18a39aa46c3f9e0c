import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { makeCA, makeCertificate, servingNames } from './certificates.ts'

const validity = { notBeforeMs: Date.UTC(2026, 0, 1), notAfterMs: Date.UTC(2060, 0, 1) }
const ca = makeCA({ commonName: 'an authority', ...validity })

test('a CA signs, and says that it is one', () => {
  const x = new X509Certificate(ca.cert)
  assert.equal(x.ca, true)
  assert.equal(x.verify(x.publicKey), true)
  assert.deepEqual([Date.parse(x.validFrom), Date.parse(x.validTo)], [validity.notBeforeMs, validity.notAfterMs])
})
test('a leaf names what was asked for, and chains to its CA', () => {
  const pair = makeCertificate(
    {
      commonName: 'zoë',
      organizations: ['a', 'system:nodes'],
      names: servingNames('host-1', ['10.0.0.1', 'fd00::1:2', '*.example.com']),
      usages: ['server', 'client'],
      ...validity,
    },
    ca,
  )
  const x = new X509Certificate(pair.cert)
  const issuer = new X509Certificate(ca.cert)
  assert.equal(x.ca, false)
  assert.equal(x.checkIssued(issuer) && x.verify(issuer.publicKey), true)
  assert.equal(x.checkPrivateKey(createPrivateKey(pair.key)), true)
  for (const host of ['localhost', 'host-1', 'kubernetes.default.svc', 'a.example.com'])
    assert.ok(x.checkHost(host), host)
  for (const ip of ['127.0.0.1', '::1', '10.0.0.1', 'fd00::1:2']) assert.ok(x.checkIP(ip), ip)
  assert.equal(x.checkHost('other'), undefined)
  assert.match(x.subject, /CN=zoë/)
  assert.deepEqual(x.keyUsage, ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
})

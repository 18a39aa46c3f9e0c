import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeCA } from '../../http/certificates.ts'
import { type Expiry, expiryVerdict, firstExpiryMs } from './certificate-expiry.ts'

const now = Date.UTC(2026, 0, 1)
const day = 86_400_000
const rows: readonly { name: string; expiries: Expiry[]; status: string; reason: string; message: RegExp }[] = [
  { name: 'none known', expiries: [], status: 'False', reason: 'CertificatesValid', message: /^no certificate/ },
  {
    name: 'far away',
    expiries: [{ use: 'ca', atMs: now + 15 * day }],
    status: 'False',
    reason: 'CertificatesValid',
    message: /^no/,
  },
  {
    name: 'soon, the next one first',
    expiries: [
      { use: 'client', atMs: now + 3 * day },
      { use: 'backend', atMs: now + 2 * day },
      { use: 'ca', atMs: now + 99 * day },
    ],
    status: 'True',
    reason: 'CertificateEndsSoon',
    message: /^the backend's certificate ends at 2026-01-03T00:00:00Z, the client certificate .* 2026-01-04/,
  },
  {
    name: 'over',
    expiries: [{ use: 'ca', atMs: now - day }],
    status: 'True',
    reason: 'CertificateExpired',
    message: /^a certificate of its CA bundle/,
  },
]
for (const { name, expiries, status, reason, message } of rows) {
  test(`expiryVerdict: ${name}`, () => {
    const verdict = expiryVerdict(expiries, now)
    assert.deepEqual([verdict.status, verdict.reason], [status, reason])
    assert.match(verdict.message ?? '', message)
  })
}

test('firstExpiryMs: the earliest of a bundle; none where nothing can be read', () => {
  const of = (days: number): string =>
    makeCA({ commonName: 'x', notBeforeMs: now - day, notAfterMs: now + days * day }).cert
  assert.equal(firstExpiryMs(of(9) + of(5) + of(7)), now + 5 * day)
  assert.equal(firstExpiryMs('nothing'), undefined)
})

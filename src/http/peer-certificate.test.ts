import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { makeCA, makeCertificate } from './certificates.ts'
import { freePeerCertificates } from './peer-certificate.ts'

const validity = { notBeforeMs: Date.now() - 3_600_000, notAfterMs: Date.now() + 3_600_000 }
const ca = makeCA({ commonName: 'test ca', ...validity })
const serving = makeCertificate({ commonName: 'server', names: ['localhost'], usages: ['server'], ...validity }, ca)
const client = makeCertificate({ commonName: 'client', usages: ['client'], ...validity }, ca)
const NATIVE = /\[native code\]/

const methodOf = (socket: TLSSocket): string => {
  const { _handle } = socket as unknown as { _handle: { getPeerX509Certificate: unknown } }
  return String(_handle.getPeerX509Certificate)
}

test('a client certificate is given out by a method of ours, and is the same', async () => {
  const server = createServer({ ...serving, ca: ca.cert, requestCert: true, rejectUnauthorized: false })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const clients: TLSSocket[] = []
  const seen = async (identity: object): Promise<TLSSocket> => {
    const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>
    const socket = connect({ port, host: '127.0.0.1', servername: 'localhost', ca: ca.cert, ...identity })
    clients.push(socket)
    const [peer] = await accepted
    freePeerCertificates(peer)
    return peer
  }
  try {
    const first = await seen(client)
    const want = first.getPeerX509Certificate()
    assert.equal(want?.subject, 'CN=client')
    const second = await seen(client)
    assert.equal(NATIVE.test(methodOf(second)), Number.parseInt(process.versions.node, 10) >= 26)
    assert.equal(second.authorized, true)
    assert.equal(second.getPeerX509Certificate()?.fingerprint256, want?.fingerprint256)
    const nobody = await seen({})
    assert.equal(nobody.authorized, false)
    assert.equal(nobody.getPeerX509Certificate(), undefined)
  } finally {
    for (const socket of clients) socket.destroy()
    server.close()
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeCA } from '../../http/certificates.ts'
import { FakeClock } from '../../lib/fake-clock.ts'
import { noopLogger } from '../../observability/logger.ts'
import { TlsContexts } from '../upstream-tls.ts'
import { Upstreams } from '../upstreams.ts'
import { Target, type TlsSettings } from './target.ts'

const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 3_600_000 }
const caOf = (commonName: string): string => makeCA({ commonName, ...validity }).cert

async function setUp(first: TlsSettings) {
  const clock = new FakeClock()
  const upstreams = new Upstreams({ clock })
  let settings = first
  const target = new Target({
    source: {
      endpoints: () => [{ host: '192.0.2.1', port: 443, zone: '', terminating: false }],
      start() {},
      stop() {},
      text: 'b',
      plain: false,
      serverName: 'b.example.com',
      pathPrefix: '',
      authority: undefined,
      mayBeOwn: false,
    },
    tls: () => settings,
    parts: { upstreams, tlsContexts: new TlsContexts(), clock, random: () => 0.5, log: noopLogger },
    onMissingSan() {},
  })
  return {
    target,
    /** As connections would be secured now. */
    security: () => target.endpoints.members.map((e) => e.address.tls?.id),
    change: (next: TlsSettings) => {
      settings = next
      target.securityChanged()
    },
    [Symbol.asyncDispose]: () => upstreams[Symbol.asyncDispose](),
  }
}

test('certificates that cannot be used: the last good ones stay, and the next good ones are taken', async () => {
  const serverName = 'b.example.com'
  await using t = await setUp({ serverName, ca: caOf('one') })
  const before = t.security()
  assert.equal(before.length, 1)
  for (const wrong of [new Error('no such ConfigMap'), { serverName, clientCertificate: { cert: 'x', key: 'y' } }]) {
    t.change(wrong)
    assert.deepEqual([t.target.tlsProblem, t.security()], [undefined, before])
  }
  t.change({ serverName, ca: caOf('two') })
  assert.notDeepEqual(t.security(), before)
})
test('until there are certificates that can be used there is a problem', async () => {
  await using t = await setUp(new Error('no such ConfigMap'))
  assert.equal(t.target.tlsProblem, 'no such ConfigMap')
  t.change({ serverName: 'b.example.com', ca: caOf('one') })
  assert.deepEqual([t.target.tlsProblem, t.security().length], [undefined, 1])
})

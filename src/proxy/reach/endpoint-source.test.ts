/** A DNS name as the source of endpoints: all of its addresses, asked again by their time to live. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../lib/fake-clock.ts'
import { type DnsLookup, type EndpointSource, sourceOf } from './endpoint-source.ts'

type Found = Awaited<ReturnType<DnsLookup>>

/** A resolver that answers when it is told to. */
class Rig {
  readonly clock = new FakeClock()
  readonly asked: string[] = []
  changes = 0
  readonly source: EndpointSource
  #answer: ((found: Found | Error) => void) | undefined

  constructor() {
    const lookupDns: DnsLookup = (name) => {
      this.asked.push(name)
      return new Promise((resolve, reject) => {
        this.#answer = (found) => (found instanceof Error ? reject(found) : resolve(found))
      })
    }
    const resolver = { resolve: () => assert.fail('it names no Service') }
    const backend = { name: 'default', dns: { name: 'b.example.com', port: 8443 } }
    this.source = sourceOf(backend, { lookupDns, resolver, clock: this.clock })
  }
  start(): this {
    this.source.start(() => this.changes++)
    return this
  }
  /** Resolves when the source has heard it. */
  async answer(ttlSeconds: number, ...addresses: string[]): Promise<void> {
    await this.#tell({ addresses, ttlSeconds })
  }
  async fail(text: string): Promise<void> {
    await this.#tell(new Error(text))
  }
  async #tell(found: Found | Error): Promise<void> {
    assert.ok(this.#answer, 'it was asked')
    this.#answer(found)
    this.#answer = undefined
    await new Promise((resolve) => setImmediate(resolve))
  }
  /** `address:port` of each endpoint. */
  get endpoints(): string[] {
    return this.source.endpoints().map((e) => `${e.host}:${e.port}`)
  }
}

test('a DNS name: each of its addresses is an endpoint, verified for and addressed by the name', async () => {
  const rig = new Rig().start()
  assert.throws(() => rig.endpoints, /^Error: the name b\.example\.com was not looked up yet$/)
  await rig.answer(10, '192.0.2.2', '192.0.2.1', '2001:db8::1')
  assert.deepEqual(rig.endpoints, ['192.0.2.1:8443', '192.0.2.2:8443', '2001:db8::1:8443'])
  assert.deepEqual([rig.source.serverName, rig.source.authority], ['b.example.com', 'b.example.com:8443'])
  assert.deepEqual([rig.asked, rig.changes], [['b.example.com'], 1])
})

test('a DNS name: addresses that change are taken when their time to live is over, not before', async () => {
  const rig = new Rig().start()
  await rig.answer(10, '192.0.2.1', '192.0.2.2')
  rig.clock.advance(9_999)
  assert.equal(rig.asked.length, 1)
  rig.clock.advance(1)
  assert.equal(rig.asked.length, 2)
  await rig.answer(60, '192.0.2.3', '192.0.2.2')
  assert.deepEqual([rig.endpoints, rig.changes], [['192.0.2.2:8443', '192.0.2.3:8443'], 2])
  rig.clock.advance(59_999)
  assert.equal(rig.asked.length, 2)
  rig.clock.advance(1)
  await rig.answer(60)
  assert.throws(() => rig.endpoints, /^Error: the name b\.example\.com has no addresses$/)
})

const limits = [
  { name: 'of nothing is a second', ttlSeconds: 0, againMs: 1_000 },
  { name: 'of a day is five minutes', ttlSeconds: 86_400, againMs: 300_000 },
]
for (const { name, ttlSeconds, againMs } of limits) {
  test(`a DNS name: a time to live ${name}`, async () => {
    const rig = new Rig().start()
    await rig.answer(ttlSeconds, '192.0.2.1')
    rig.clock.advance(againMs - 1)
    assert.equal(rig.asked.length, 1)
    rig.clock.advance(1)
    assert.equal(rig.asked.length, 2)
  })
}

test('a DNS name: while the resolver fails the last addresses stay, and it is asked again after 2 s', async () => {
  const rig = new Rig().start()
  await rig.fail('queryA ESERVFAIL')
  assert.throws(() => rig.endpoints, /^Error: queryA ESERVFAIL$/)
  rig.clock.advance(2_000)
  await rig.answer(10, '192.0.2.1')
  rig.clock.advance(10_000)
  await rig.fail('queryA ETIMEOUT')
  assert.deepEqual(rig.endpoints, ['192.0.2.1:8443'])
  rig.clock.advance(1_999)
  assert.equal(rig.asked.length, 3)
  rig.clock.advance(1)
  await rig.answer(10, '192.0.2.4')
  assert.deepEqual(rig.endpoints, ['192.0.2.4:8443'])
})

test('a DNS name: once stopped, nobody is asked or told any more, though a look-up was under way', async () => {
  const rig = new Rig().start()
  await rig.answer(10, '192.0.2.1')
  rig.clock.advance(10_000)
  rig.source.stop()
  await rig.answer(10, '192.0.2.2')
  rig.clock.advance(600_000)
  assert.deepEqual([rig.asked.length, rig.changes, rig.clock.pending], [2, 1, 0])
})

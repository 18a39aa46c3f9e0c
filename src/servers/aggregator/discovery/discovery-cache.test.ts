import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { FakeClock } from '../../../lib/fake-clock.ts'
import { noopLogger } from '../../../observability/logger.ts'
import { type CachedDiscovery, DiscoveryCache } from './discovery-cache.ts'

const folder = mkdtempSync(join(tmpdir(), 'portico-cache-'))
after(() => rmSync(folder, { recursive: true }))
let files = 0

function entry(name: string, more: Partial<CachedDiscovery> = {}): CachedDiscovery {
  const kind = { group: 'g', version: 'v1', kind: 'K' }
  const resources = [
    { resource: 'ks', responseKind: kind, scope: 'Cluster', singularResource: 'k', verbs: ['get'] },
  ] as const
  return { name, group: 'g', version: 'v1', goodAtMs: 5, resources, ...more }
}
function open(o: { path?: string; maxBytes?: number } = {}) {
  const path = o.path ?? join(folder, `${files++}`, 'cache')
  const clock = new FakeClock()
  const maxBytes = o.maxBytes === undefined ? {} : { maxBytes: o.maxBytes }
  return { path, clock, cache: new DiscoveryCache({ path, clock, log: noopLogger, ...maxBytes }) }
}

test('discovery cache: what was told is there after a restart, in a private file', async () => {
  const { path, cache } = open()
  assert.equal((await cache.load()).size, 0)
  cache.change(() => [entry('a'), entry('b', { resources: [] })], { onlyTimes: false })
  await cache[Symbol.asyncDispose]()
  assert.deepEqual([...(await open({ path }).cache.load()).values()], [entry('a'), entry('b', { resources: [] })])
  assert.deepEqual(readdirSync(join(path, '..')), ['cache'])
})

test('discovery cache: changes are gathered for 2 s; times alone wait for 10 min', async () => {
  const { clock, cache } = open()
  cache.change(() => [], { onlyTimes: true })
  assert.equal(clock.pending, 1)
  clock.advance(599_999)
  assert.equal(clock.pending, 1)
  cache.change(() => [entry('a')], { onlyTimes: true })
  cache.change(() => [entry('a')], { onlyTimes: false })
  assert.equal(clock.pending, 1)
  clock.advance(1)
  assert.equal(clock.pending, 0, 'the first one is due')
  cache.change(() => [entry('a')], { onlyTimes: true })
  cache.change(() => [entry('a')], { onlyTimes: false })
  clock.advance(2000)
  assert.equal(clock.pending, 0)
  await cache[Symbol.asyncDispose]()
})

const whole = `{"kind":"portico-discovery-cache","format":1}\n${JSON.stringify(entry('a'))}\n`
const broken: readonly { name: string; text: string }[] = [
  { name: 'empty', text: '' },
  { name: 'of another format', text: whole.replace('"format":1', '"format":2') },
  { name: 'cut', text: whole.slice(0, -10) },
  { name: 'no JSON', text: `${whole}}{\n` },
  { name: 'of the wrong types', text: whole.replace('["get"]', '5') },
  { name: 'without a name', text: whole.replace('"name"', '"nome"') },
  { name: 'null', text: `${whole}null\n` },
  { name: 'binary', text: '\0\u{1f600}'.repeat(1000) },
]
for (const { name, text } of broken) {
  test(`discovery cache: a file that is ${name} is as good as none`, async () => {
    const path = join(folder, `broken-${files++}`)
    writeFileSync(path, text)
    assert.equal((await open({ path }).cache.load()).size, 0)
  })
}

test('discovery cache: what is too much is left out', async () => {
  const { path, cache } = open({ maxBytes: 1000 })
  const many = Array.from({ length: 100 }, (_, i) => entry(`n${i}`))
  cache.change(() => many, { onlyTimes: false })
  await cache[Symbol.asyncDispose]()
  assert.ok(readFileSync(path).byteLength <= 1100)
  assert.ok((await open({ path }).cache.load()).size > 0)
})

test('discovery cache: a folder that cannot be written fails nothing', async () => {
  const blocked = join(folder, 'blocked')
  writeFileSync(blocked, '')
  const { cache } = open({ path: join(blocked, 'cache') })
  cache.change(() => [entry('a')], { onlyTimes: false })
  await cache[Symbol.asyncDispose]()
  assert.equal((await cache.load()).size, 0)
})

/** What is served is published as a whole: what stays goes on, what goes leaves nothing behind. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  startThingServer,
  THING_STORE,
  thingGroup,
  thingResource,
  thingStore,
} from '../../../test/harness/thing-server.ts'
import { THING_FORM } from '../../../test/harness/things.ts'
import type { Handler } from '../../http/filter.ts'
import { writeText } from '../../http/write-status.ts'
import type { ConnectSubresource, ObjectSubresource } from './served-resource.ts'

const THINGS = '/apis/test/v1/namespaces/ns/things'
const COMINGS = '/apis/test/v1/namespaces/ns/comings'
const body = (name: string): object => ({ metadata: { name } })

test('a resource that stays keeps its watches and its cache; the watches of one that goes end', async () => {
  const going = thingStore('comings')
  await using things = await startThingServer({
    groups: [thingGroup([thingResource(), thingResource({ store: going })])],
  })
  await things.ask('POST', THINGS, { body: body('a') })
  const [staying, leaving] = [
    await things.ask('GET', `${THINGS}?watch=1`),
    await things.ask('GET', `${COMINGS}?watch=1`),
  ]
  assert.deepEqual([staying.phase, leaving.phase], ['responded', 'responded'])
  await things.server.publish([thingGroup([thingResource()])])
  assert.deepEqual([staying.phase, leaving.phase], ['responded', 'finished'])
  await things.ask('POST', THINGS, { body: body('b') })
  assert.match(staying.text, /"type":"ADDED".*"name":"a"[^]*"type":"ADDED".*"name":"b"/)
  assert.equal((await things.ask('GET', COMINGS)).status, 404)
})

test('discovery and descriptions are those of the last table', async () => {
  await using things = await startThingServer()
  const names = (): string[] => things.server.discovery.value[0]!.versions[0]!.resources.map((r) => r.resource)
  assert.deepEqual(names(), ['things'])
  await things.server.publish([thingGroup([thingResource(), thingResource({ store: thingStore('comings') })])])
  assert.deepEqual(names(), ['comings', 'things'])
  const listed = JSON.parse((await things.ask('GET', '/apis/test/v1')).text) as { resources: { name: string }[] }
  assert.deepEqual(listed.resources.map((r) => r.name).toSorted(), ['comings', 'things'])
  assert.equal(things.server.openapi.described.value.get('apis/test/v1')!.resources.length, 2)
  await things.server.publish([])
  assert.deepEqual(things.server.discovery.value, [])
  assert.equal(things.server.openapi.described.value.size, 0)
  assert.equal((await things.ask('GET', THINGS)).status, 404)
})

test('a kind that comes and goes a thousand times under readers leaves memory and series as they were', async () => {
  await using things = await startThingServer()
  const round = async (): Promise<void> => {
    await things.server.publish([thingGroup([thingResource(), thingResource({ store: thingStore('comings') })])])
    const reads = [things.ask('GET', COMINGS), things.ask('GET', `${COMINGS}?watch=1`), things.ask('GET', THINGS)]
    await things.server.publish([thingGroup([thingResource()])])
    for (const answer of await Promise.all(reads)) assert.ok([200, 404, 429].includes(answer.status), answer.text)
  }
  const series = async (): Promise<number> => {
    let text = ''
    for await (const part of things.metrics.render()) text += part
    return text.split('\n').filter((line) => line.includes('comings')).length
  }
  for (let i = 0; i < 100; i++) await round()
  global.gc?.()
  const before = process.memoryUsage().heapUsed
  for (let i = 0; i < 1_000; i++) await round()
  global.gc?.()
  const grown = process.memoryUsage().heapUsed - before
  assert.equal(await series(), 0)
  if (global.gc) assert.ok(grown < 4 * 1024 * 1024, `${grown} bytes more`)
})

test('two thousand resources are published in linear time', async () => {
  await using things = await startThingServer()
  const spent = async (count: number): Promise<number> => {
    const resources = Array.from({ length: count }, (_, i) => thingResource({ store: thingStore(`r${i}`) }))
    const start = process.cpuUsage()
    await things.server.publish([thingGroup(resources)])
    const { user, system } = process.cpuUsage(start)
    await things.server.publish([])
    return (user + system) / 1000
  }
  const least = async (count: number): Promise<number> =>
    Math.min(await spent(count), await spent(count), await spent(count))
  const [few, many] = [await least(500), await least(2_000)]
  assert.ok(many < 8 * few + 100, `${few} ms for 500, ${many} ms for 2,000`)
})

test('subresources of a kind and handlers of their own, and connections', async () => {
  const answered =
    (text: string): Handler =>
    (ctx) =>
      writeText(ctx, 200, text)
  const object: ObjectSubresource = {
    is: 'object',
    name: 'scale',
    verbs: ['get', 'update'],
    of: { ...THING_FORM, group: 'autoscaling', kind: 'Scale' },
    handlers: { get: answered('read'), update: answered('written') },
  }
  const connect = (name: string, takesPath: boolean): ConnectSubresource => ({
    is: 'connect',
    name,
    methods: ['GET', 'POST'],
    options: { ...THING_FORM, kind: 'ExecOptions' },
    takesPath,
    open: (ctx) => writeText(ctx, 200, `${name} ${ctx.info.parts.slice(3).join('/')}`),
  })
  const resource = thingResource({
    store: THING_STORE,
    subresources: [object, connect('exec', false), connect('proxy', true)],
  })
  await using things = await startThingServer({ groups: [thingGroup([resource])] })
  const rows: readonly [method: string, path: string, status: number, text: string][] = [
    ['GET', 'scale', 200, 'read'],
    ['PUT', 'scale', 200, 'written'],
    ['DELETE', 'scale', 405, ''],
    ['HEAD', 'scale', 405, ''],
    ['POST', 'exec', 200, 'exec '],
    ['PUT', 'exec', 405, ''],
    ['GET', 'exec/more', 404, ''],
    ['GET', 'proxy/some/path', 200, 'proxy some/path'],
    ['GET', 'nothing', 404, ''],
  ]
  for (const [method, path, status, text] of rows) {
    const answer = await things.ask(method, `${THINGS}/x/${path}`)
    assert.equal(answer.status, status, `${method} ${path}`)
    if (text !== '') assert.equal(answer.text.trim(), text.trim())
  }
  const { subresources } = things.server.discovery.value[0]!.versions[0]!.resources[0]!
  assert.deepEqual(
    subresources!.map((s) => [s.subresource, s.responseKind?.group, s.responseKind?.kind, s.verbs.join()]),
    [
      ['scale', 'autoscaling', 'Scale', 'get,update'],
      ['exec', '', 'ExecOptions', 'create,get'],
      ['proxy', '', 'ExecOptions', 'create,get'],
    ],
  )
})

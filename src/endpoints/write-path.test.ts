/** In which order a write passes its steps, for each verb, and what a plug-in may do. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestContext } from '../http/request-context.ts'
import { THING_FORM } from '../../test/harness/things.ts'
import { type AskOptions, startThingServer, thingGroup, thingResource } from '../../test/harness/thing-server.ts'
import { type AdmissionAttributes, AdmissionChain, type AdmissionPlugin } from '../access/admission/admission.ts'
import { StatusError } from '../api/status-error.ts'
import type { Strategy } from '../registry/strategy.ts'

const THINGS = '/apis/test/v1/namespaces/ns/things'
const MERGE = { 'content-type': 'application/merge-patch+json' }
const JSON_PATCH = { 'content-type': 'application/json-patch+json' }
const thing = (name: string, data: Record<string, string> = {}): object => ({
  kind: 'Thing',
  apiVersion: 'test/v1',
  metadata: { name, namespace: 'ns' },
  data,
})
const dataOf = (a: AdmissionAttributes): Record<string, string> | undefined =>
  (a.object as { data?: Record<string, string> } | undefined)?.data

/** Writes down who is called, and with what. */
function recorded(): { steps: string[]; strategy: Strategy; plugin: (name: string) => AdmissionPlugin } {
  const steps: string[] = []
  return {
    steps,
    strategy: {
      allowCreateOnUpdate: true,
      allowUnconditionalUpdate: true,
      prepare: () => void steps.push('prepare'),
      validate: () => {
        steps.push('rules')
        return []
      },
      canonicalize: () => void steps.push('canonicalize'),
    },
    plugin: (name) => ({
      name,
      handles: () => true,
      mutate: (a) => void steps.push(`${name} mutates ${a.operation}`),
      validate: (a) => void steps.push(`${name} validates ${a.operation}`),
    }),
  }
}

const MADE = ['a mutates', 'b mutates', 'prepare', 'rules', 'canonicalize', 'a validates', 'b validates']
const steps = (operation: string): string[] => MADE.map((s) => (s.includes(' ') ? `${s} ${operation}` : s))
const DELETED = ['a mutates delete', 'b mutates delete', 'a validates delete', 'b validates delete']
const rows: readonly { name: string; method: string; target: string; o?: AskOptions; want: readonly string[] }[] = [
  { name: 'create', method: 'POST', target: THINGS, o: { body: thing('new') }, want: steps('create') },
  { name: 'update', method: 'PUT', target: `${THINGS}/x`, o: { body: thing('x') }, want: steps('update') },
  { name: 'create by update', method: 'PUT', target: `${THINGS}/y`, o: { body: thing('y') }, want: steps('create') },
  {
    name: 'merge patch',
    method: 'PATCH',
    target: `${THINGS}/x`,
    o: { body: { data: { k: 'v' } }, headers: MERGE },
    want: steps('update'),
  },
  {
    name: 'JSON patch',
    method: 'PATCH',
    target: `${THINGS}/x`,
    o: { body: [{ op: 'add', path: '/data', value: { k: 'v' } }], headers: JSON_PATCH },
    want: steps('update'),
  },
  { name: 'dry run', method: 'POST', target: `${THINGS}?dryRun=All`, o: { body: thing('dry') }, want: steps('create') },
  { name: 'delete', method: 'DELETE', target: `${THINGS}/x`, want: DELETED },
  { name: 'deletecollection', method: 'DELETE', target: THINGS, want: DELETED },
]
for (const { name, method, target, o, want } of rows) {
  test(`the order of a write: ${name}`, async () => {
    const { steps: found, strategy, plugin } = recorded()
    await using things = await startThingServer({
      plugins: [plugin('a'), plugin('b')],
      groups: [thingGroup([thingResource({ strategy })])],
    })
    await things.ask('POST', THINGS, { body: thing('x') })
    found.length = 0
    const answer = await things.ask(method, target, o)
    assert.ok(answer.status < 300, answer.text)
    assert.deepEqual(found, want)
  })
}

const APPLY = { 'content-type': 'application/apply-patch+yaml' }
const RACED: readonly { name: string; method: string; target: string; o?: AskOptions; want: readonly string[] }[] = [
  {
    name: 'update',
    method: 'PUT',
    target: `${THINGS}/x`,
    o: { body: thing('x', { mine: '1' }) },
    want: steps('update'),
  },
  {
    name: 'merge patch',
    method: 'PATCH',
    target: `${THINGS}/x`,
    o: { body: { data: { k: 'v' } }, headers: MERGE },
    want: steps('update'),
  },
  {
    name: 'apply',
    method: 'PATCH',
    target: `${THINGS}/x?fieldManager=m`,
    o: { body: thing('x', { k: 'v' }), headers: APPLY },
    want: steps('update'),
  },
  { name: 'delete', method: 'DELETE', target: `${THINGS}/x`, want: DELETED },
  { name: 'deletecollection', method: 'DELETE', target: THINGS, want: DELETED },
]
for (const { name, method, target, o, want } of RACED) {
  test(`the order of a write that loses a race: ${name}`, async () => {
    const { steps: found, strategy, plugin } = recorded()
    let racing = false
    /** Writes the object after all other steps of the first round. */
    const racer: AdmissionPlugin = {
      name: 'racer',
      handles: () => racing,
      validate: async () => {
        racing = false
        const before = [...found]
        await things.ask('PUT', `${THINGS}/x`, { body: thing('x', { other: 'writer' }) })
        found.splice(0, found.length, ...before, 'lost')
      },
    }
    await using things = await startThingServer({
      plugins: [plugin('a'), plugin('b'), racer],
      groups: [thingGroup([thingResource({ strategy })])],
    })
    await things.ask('POST', THINGS, { body: thing('x') })
    found.length = 0
    racing = true
    const answer = await things.ask(method, target, o)
    assert.ok(answer.status < 300, answer.text)
    assert.deepEqual(found, [...want, 'lost', ...want])
  })
}

test('a connection is admitted with its options, in both rounds, before it is opened', async () => {
  const log: unknown[] = []
  const plugin: AdmissionPlugin = {
    name: 'p',
    handles: (a) => a.operation === 'connect',
    mutate: (a) => {
      log.push(['mutate', a.name, a.namespace, a.subresource, a.kind.kind, a.object, a.old])
      a.object = { ...a.object!, data: 'changed' } as never
    },
    validate: (a) => {
      log.push(['validate', a.object])
      if (a.name === 'closed') throw new StatusError(403, 'Forbidden', 'closed')
    },
  }
  await using things = await startThingServer({
    plugins: [plugin],
    groups: [
      thingGroup([
        thingResource({
          subresources: [
            {
              is: 'connect',
              name: 'proxy',
              methods: ['GET'],
              options: { ...THING_FORM, kind: 'ProxyOptions' },
              takesPath: true,
              open: (ctx, options) => {
                log.push(['open', options])
                ctx.answer(200, ['Content-Length', '0'])
              },
            },
          ],
        }),
      ]),
    ],
  })
  const options = { kind: 'ProxyOptions', apiVersion: 'test/v1' }
  assert.equal((await things.ask('GET', `${THINGS}/x/proxy/some/path?other=1`)).status, 200)
  assert.deepEqual(log.splice(0), [
    ['mutate', 'x', 'ns', 'proxy', 'ProxyOptions', options, undefined],
    ['validate', { ...options, data: 'changed' }],
    ['open', { ...options, data: 'changed' }],
  ])
  assert.equal((await things.ask('GET', `${THINGS}/closed/proxy`)).status, 403)
  assert.deepEqual(
    log.map((entry) => (entry as unknown[])[0]),
    ['mutate', 'validate'],
  )
})

test('a deletecollection names no object; the old one says which it is', async () => {
  const named: unknown[] = []
  const plugin: AdmissionPlugin = {
    name: 'p',
    handles: (a) => a.operation === 'delete',
    validate: (a) => void named.push([a.name, a.old!.metadata.name]),
  }
  await using things = await startThingServer({ plugins: [plugin] })
  for (const name of ['x', 'y']) await things.ask('POST', THINGS, { body: thing(name) })
  await things.ask('DELETE', `${THINGS}/x`)
  await things.ask('DELETE', THINGS)
  assert.deepEqual(named, [
    ['x', 'x'],
    ['', 'y'],
  ])
})

test('a chain waits for nothing unless a plug-in that handles the request returns a promise', async () => {
  const a = { operation: 'create' } as AdmissionAttributes
  const slow: AdmissionPlugin = { name: 's', handles: (o) => o.operation === 'delete', mutate: async () => {} }
  const quick: AdmissionPlugin = { name: 'q', handles: () => true, mutate: () => {}, validate: () => {} }
  const chain = new AdmissionChain([slow, quick])
  assert.deepEqual([chain.mutate(a), chain.validate(a)], [undefined, undefined])
  assert.ok(chain.mutate({ ...a, operation: 'delete' }) instanceof Promise)
})

test('a lost race begins again from the newer object, mutation included', async () => {
  let raced = false
  const seen: string[] = []
  const racing: AdmissionPlugin = {
    name: 'racing',
    handles: (a) => a.operation === 'update',
    mutate: async (a) => {
      seen.push(JSON.stringify([(a.old as { data?: object }).data, dataOf(a)]))
      if (raced) return
      raced = true
      await things.ask('PUT', `${THINGS}/x`, { body: thing('x', { other: 'writer' }) })
    },
  }
  await using things = await startThingServer({ plugins: [racing] })
  await things.ask('POST', THINGS, { body: thing('x', { first: '1' }) })
  const answer = await things.ask('PATCH', `${THINGS}/x`, { body: { data: { mine: '2' } }, headers: MERGE })
  assert.equal(answer.status, 200, answer.text)
  assert.deepEqual((JSON.parse(answer.text) as { data: object }).data, { other: 'writer', mine: '2' })
  assert.deepEqual(seen, [
    '[{"first":"1"},{"first":"1","mine":"2"}]',
    '[{"first":"1"},{"other":"writer"}]',
    '[{"other":"writer"},{"mine":"2","other":"writer"}]',
  ])
})

test('what a plug-in changes is stored, also by setting another object; validation sees what is stored', async () => {
  let validated: object | undefined
  const adding: AdmissionPlugin = {
    name: 'adding',
    handles: (a) => a.operation === 'create',
    mutate: (a) => {
      dataOf(a)!['added'] = 'here'
      a.object = { ...a.object!, metadata: { ...a.object!.metadata, labels: { by: 'plug-in' } } }
    },
    validate: (a) => {
      validated = a.object
    },
  }
  await using things = await startThingServer({ plugins: [adding] })
  const made = await things.ask('POST', THINGS, { body: thing('x', { own: '1' }) })
  const object = JSON.parse(made.text) as { data: object; metadata: { labels: object } }
  assert.deepEqual([object.data, object.metadata.labels], [{ own: '1', added: 'here' }, { by: 'plug-in' }])
  assert.deepEqual((validated as typeof object).data, object.data)
  const got = JSON.parse((await things.ask('GET', `${THINGS}/x`)).text) as typeof object
  assert.deepEqual(got, object)
})

test('a refusal ends the write, whichever round it comes in, and nothing is stored', async () => {
  for (const round of ['mutate', 'validate'] as const) {
    const refusing: AdmissionPlugin = {
      name: 'refusing',
      handles: () => true,
      [round]: () => {
        throw new StatusError(403, 'Forbidden', 'not today')
      },
    }
    const { steps: found, plugin } = recorded()
    await using things = await startThingServer({ plugins: [refusing, plugin('after')] })
    const refused = await things.ask('POST', THINGS, { body: thing('x') })
    assert.deepEqual([refused.status, (JSON.parse(refused.text) as { message: string }).message], [403, 'not today'])
    assert.deepEqual(found, round === 'mutate' ? [] : ['after mutates create'])
    assert.equal((await things.ask('GET', `${THINGS}/x`)).status, 404)
  }
})

test('all are called again, once, where one that reinvokes has not seen a later change', async () => {
  const calls: string[] = []
  const reinvoking: AdmissionPlugin = {
    name: 'first',
    reinvokes: true,
    handles: () => true,
    mutate: (a) => void calls.push(`first ${a.isReinvocation} ${dataOf(a)!['later'] ?? ''}`),
  }
  const later: AdmissionPlugin = {
    name: 'later',
    handles: () => true,
    mutate: (a) => {
      calls.push(`later ${a.isReinvocation}`)
      if (dataOf(a)!['quiet'] === undefined) dataOf(a)!['later'] = 'changed'
    },
  }
  await using things = await startThingServer({ plugins: [reinvoking, later] })
  await things.ask('POST', THINGS, { body: thing('x', { own: '1' }) })
  assert.deepEqual(calls, ['first false ', 'later false', 'first true changed', 'later true'])
  calls.length = 0
  await things.ask('POST', THINGS, { body: thing('y', { quiet: 'yes' }) })
  assert.deepEqual(calls, ['first false ', 'later false'])
})

test('warnings of plug-ins reach the client; a dry run passes all steps and stores nothing', async () => {
  const warning: AdmissionPlugin = { name: 'w', handles: () => true, mutate: (a) => a.warn(`dry run: ${a.dryRun}`) }
  await using things = await startThingServer({ plugins: [warning] })
  const answer = await things.ask('POST', `${THINGS}?dryRun=All`, { body: thing('x') })
  assert.equal(answer.status, 201)
  assert.equal(answer.answered['warning'], '299 - "dry run: true"')
  assert.equal((await things.ask('GET', `${THINGS}/x`)).status, 404)
})

test('annotations of plug-ins stay with the request; the first value of a key counts', async () => {
  const noting: AdmissionPlugin = {
    name: 'noting',
    handles: () => true,
    mutate: (a) => a.annotate('a.example.com/x', 'first'),
    validate: (a) => {
      a.annotate('a.example.com/x', 'second')
      a.annotate('a.example.com/y', 'third')
    },
  }
  await using things = await startThingServer({ plugins: [noting] })
  let asked: RequestContext | undefined
  await things.ask('POST', THINGS, { body: thing('x'), onContext: (ctx) => (asked = ctx) })
  assert.deepEqual(Object.fromEntries(asked!.annotations!), { 'a.example.com/x': 'first', 'a.example.com/y': 'third' })
})

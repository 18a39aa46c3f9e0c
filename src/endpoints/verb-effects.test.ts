/** What writes leave behind, seen by what is read and watched afterwards. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Asked, openThings, thing } from '../../test/harness/asked-things.ts'

type Json = Record<string, unknown>
const ONE = '/namespaces/ns/things/a'
const ALL = '/namespaces/ns/things'
const MERGE_PATCH = 'application/merge-patch+json'

function at(json: unknown, path: string): unknown {
  return path.split('.').reduce<unknown>((value, name) => (value as Json | undefined)?.[name], json)
}

const stored = async (things: Awaited<ReturnType<typeof openThings>>): Promise<unknown> =>
  (JSON.parse((await things.ask({ target: ALL })).text) as { items: unknown }).items

const harmless: readonly { name: string; asked: Asked }[] = [
  { name: 'a dry run of a create', asked: { method: 'POST', target: `${ALL}?dryRun=All`, body: thing('c') } },
  {
    name: 'a dry run of an update',
    asked: { method: 'PUT', target: `${ONE}?dryRun=All`, body: thing('a', { a: '2' }) },
  },
  {
    name: 'a dry run of a patch',
    asked: { method: 'PATCH', target: `${ONE}?dryRun=All`, type: MERGE_PATCH, body: { data: { a: '2' } } },
  },
  { name: 'a dry run of a delete', asked: { method: 'DELETE', target: `${ONE}?dryRun=All` } },
  { name: 'a dry run of a deletecollection', asked: { method: 'DELETE', target: `${ALL}?dryRun=All` } },
  {
    name: 'a deletecollection whose answer has no form',
    asked: { method: 'DELETE', target: ALL, accept: 'image/png' },
  },
  { name: 'an update that changes nothing', asked: { method: 'PUT', target: ONE, body: thing('a') } },
  {
    name: 'a patch that changes nothing',
    asked: { method: 'PATCH', target: ONE, type: MERGE_PATCH, body: { data: { a: '1' } } },
  },
]
for (const { name, asked } of harmless)
  test(`nothing is written by ${name}`, async () => {
    await using things = await openThings(['a', 'b'])
    const before = await stored(things)
    await things.ask(asked)
    assert.deepEqual(await stored(things), before)
  })

test('a write carries on what the server keeps, and moves the resourceVersion', async () => {
  await using things = await openThings(['a'])
  const first = JSON.parse((await things.ask({ target: ONE })).text) as { metadata: Json }
  const put = await things.ask({
    method: 'PUT',
    target: ONE,
    body: thing('a', { a: '2' }, { uid: first.metadata['uid'] }),
  })
  const { metadata } = JSON.parse(put.text) as { metadata: Json }
  assert.equal(metadata['uid'], first.metadata['uid'])
  assert.equal(metadata['creationTimestamp'], first.metadata['creationTimestamp'])
  assert.ok(Number(metadata['resourceVersion']) > Number(first.metadata['resourceVersion']))
})

test('pages of a list go on where the last one ended', async () => {
  await using things = await openThings(['a', 'b', 'c'])
  const names: unknown[] = []
  let token = ''
  do {
    const { text } = await things.ask({ target: `${ALL}?limit=2&continue=${encodeURIComponent(token)}` })
    const page = JSON.parse(text) as { items: { metadata: Json }[]; metadata: Json }
    names.push(...page.items.map(({ metadata }) => metadata['name']))
    token = (page.metadata['continue'] as string | undefined) ?? ''
  } while (token !== '')
  assert.deepEqual(names, ['a', 'b', 'c'])
})

test('delete: a finalizer keeps the object until it is taken away', async () => {
  await using things = await openThings()
  await things.ask({ method: 'POST', target: ALL, body: thing('a', {}, { finalizers: ['x/y'] }) })
  const marked = await things.ask({ method: 'DELETE', target: ONE })
  assert.equal(marked.status, 200)
  assert.equal(at(JSON.parse(marked.text), 'metadata.deletionTimestamp'), '2026-01-01T00:00:00Z')
  assert.equal((await things.ask({ target: ONE })).status, 200)
  const last = await things.ask({
    method: 'PATCH',
    target: ONE,
    type: MERGE_PATCH,
    body: { metadata: { finalizers: null } },
  })
  assert.equal(last.status, 200)
  assert.equal((await things.ask({ target: ONE })).status, 404)
})

test('watch: what is there, then each change', async () => {
  await using things = await openThings(['a'])
  const watch = things.watch(`${ALL}?watch=1`)
  await watch.events(1)
  await things.ask({ method: 'POST', target: ALL, body: thing('b') })
  await things.ask({ method: 'PATCH', target: ONE, type: MERGE_PATCH, body: { data: { a: '2' } } })
  await things.ask({ method: 'DELETE', target: ONE })
  const events = await watch.events(4)
  assert.deepEqual(
    events.map((event) => [event['type'], at(event, 'object.metadata.name')]),
    [
      ['ADDED', 'a'],
      ['ADDED', 'b'],
      ['MODIFIED', 'a'],
      ['DELETED', 'a'],
    ],
  )
  assert.equal(watch.exchange.status, 200)
  assert.equal(watch.exchange.answered['content-type'], 'application/json')
})

const watchRefusals: readonly { name: string; target: string; accept?: string; status: number }[] = [
  { name: 'a resourceVersion that is no number', target: `${ALL}?watch=1&resourceVersion=x`, status: 500 },
  { name: 'a selector that is none', target: `${ALL}?watch=1&labelSelector=%3D%3D`, status: 400 },
  { name: 'a form that is not there', target: `${ALL}?watch=1`, accept: 'image/png', status: 406 },
]
for (const { name, target, accept, status } of watchRefusals)
  test(`watch: ${name}: ${status}`, async () => {
    await using things = await openThings(['a'])
    const answered = await things.ask({ target, ...(accept === undefined ? {} : { accept }) })
    assert.equal(answered.status, status, answered.text)
  })

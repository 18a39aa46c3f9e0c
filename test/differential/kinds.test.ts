/** Each kind from its creation to its deletion, in a kube-apiserver 1.35 and here: the same answers. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { RecordedRequest } from '../harness/recorded.ts'
import { KINDS, type TriedKind } from './kinds.ts'
import { KNOWN, type KnownDifference } from './known.ts'
import { referenceMissing, TwoServers } from './two-servers.ts'

const skip = referenceMissing()
const NAMESPACE = `differential-${process.pid}`
const PROTOBUF = 'application/vnd.kubernetes.protobuf'
const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io'
const METADATA = 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io'
type Step = readonly [name: string, request: RecordedRequest]

let servers: TwoServers
before(async () => {
  if (skip) return
  servers = await TwoServers.start()
  const body = { kind: 'Namespace', apiVersion: 'v1', metadata: { name: NAMESPACE } }
  await servers.ask({ method: 'POST', path: '/api/v1/namespaces', headers: JSON_BODY, body })
})
after(async () => {
  if (skip) return
  await servers.original.delete(`/api/v1/namespaces/${NAMESPACE}`)
  await servers[Symbol.asyncDispose]()
})

const JSON_BODY = { 'content-type': 'application/json' }
const collectionOf = ({ root, namespaced, resource }: TriedKind): string =>
  namespaced ? `${root}/namespaces/${NAMESPACE}/${resource}` : `${root}/${resource}`
const typeOf = ({ root, kind }: TriedKind): { kind: string; apiVersion: string } => ({
  kind,
  apiVersion: root.replace(/^\/apis?\//, ''),
})

for (const kind of KINDS) {
  describe(`${kind.root} ${kind.kind}`, { skip }, () => {
    const name = `try-${process.pid}-${kind.resource.slice(0, 20)}`
    test('life', () => sameAnswers(kind, lifeOf(kind, name)))
    test('spoilt', () => sameAnswers(kind, spoiltOf(kind, name)))
  })
}

test('every known difference still is one', { skip }, () => {
  assert.deepEqual(
    KNOWN.filter((row) => !seen.has(row)).map((row) => row.why),
    [],
  )
})

const seen = new Set<KnownDifference>()

async function sameAnswers(kind: TriedKind, steps: readonly Step[]): Promise<void> {
  const failures: string[] = []
  for (const [name, request] of steps) {
    const { answer, differences } = await servers.ask(request)
    if (differences.length === 0) continue
    const row = KNOWN.find((k) => k.kind.test(`${kind.root} ${kind.kind}`) && k.step.test(name))
    if (row) seen.add(row)
    else failures.push(`${name} (${answer.status})\n    ${differences.slice(0, 6).join('\n    ')}`)
  }
  if (failures.length > 0) assert.fail(failures.join('\n'))
}

function lifeOf(kind: TriedKind, name: string): Step[] {
  const collection = collectionOf(kind)
  const object = (name_: string, fields: object): object =>
    withNamespace({ ...typeOf(kind), metadata: { name: name_ }, ...fields })
  const minimal = `${name}-min`
  const rich = `${name}-rich`
  const get = (step: string, path: string, accept = 'application/json'): Step => [
    step,
    { method: 'GET', path, headers: { accept } },
  ]
  const write = (step: string, method: string, path: string, body: object): Step => [
    step,
    { method, path, headers: JSON_BODY, body },
  ]
  const patch = (step: string, type: string, path: string, body: object): Step => [
    step,
    { method: 'PATCH', path, headers: { 'content-type': type }, text: JSON.stringify(body) },
  ]
  const merge = 'application/merge-patch+json'
  const apply = 'application/apply-patch+yaml'
  const labels = { metadata: { labels: { patched: 'yes' } } }
  return [
    write('create a minimal one', 'POST', `${collection}?fieldManager=creator`, object(minimal, kind.minimal)),
    write('create a rich one', 'POST', `${collection}?fieldManager=creator`, object(rich, kind.rich)),
    write('create again', 'POST', collection, object(rich, kind.rich)),
    write('create with a generated name, dry', 'POST', `${collection}?dryRun=All`, {
      ...object('', kind.rich),
      metadata: { generateName: 'gen-' },
    }),
    get('get', `${collection}/${rich}`),
    get('get protobuf', `${collection}/${rich}`, PROTOBUF),
    get('get a table', `${collection}/${rich}`, TABLE),
    get('get metadata', `${collection}/${minimal}`, METADATA),
    get('list', `${collection}?fieldSelector=metadata.name%3D${rich}`),
    get('list a table', `${collection}?fieldSelector=metadata.name%3D${minimal}&includeObject=None`, TABLE),
    write('update without a version', 'PUT', `${collection}/${rich}?fieldManager=updater`, object(rich, kind.rich)),
    write('update of another name', 'PUT', `${collection}/${minimal}`, object(rich, kind.rich)),
    patch('merge patch', merge, `${collection}/${rich}?fieldManager=patcher`, kind.change),
    patch(
      'strategic patch',
      'application/strategic-merge-patch+json',
      `${collection}/${rich}?fieldManager=patcher`,
      labels,
    ),
    patch('JSON patch', 'application/json-patch+json', `${collection}/${rich}?fieldManager=patcher`, [
      { op: 'add', path: '/metadata/annotations', value: { note: 'x' } },
    ]),
    patch('apply', apply, `${collection}/${minimal}?fieldManager=applier`, object(minimal, kind.change)),
    patch('apply to the rich one', apply, `${collection}/${rich}?fieldManager=applier`, object(rich, kind.change)),
    patch(
      'apply with force',
      apply,
      `${collection}/${rich}?fieldManager=applier2&force=true`,
      object(rich, kind.minimal),
    ),
    patch('apply creates', apply, `${collection}/${name}-new?fieldManager=applier`, object(`${name}-new`, kind.rich)),
    ...(kind.status ? statusSteps(kind, `${collection}/${rich}/status`, patch, merge) : []),
    get('get after all', `${collection}/${rich}`),
    ['delete, dry', { method: 'DELETE', path: `${collection}/${rich}?dryRun=All` }],
    write('delete with a wrong uid', 'DELETE', `${collection}/${rich}`, {
      kind: 'DeleteOptions',
      apiVersion: 'v1',
      preconditions: { uid: 'x' },
    }),
    ...[minimal, rich, `${name}-new`].map((n): Step => ['delete', { method: 'DELETE', path: `${collection}/${n}` }]),
    ['delete again', { method: 'DELETE', path: `${collection}/${name}-none` }],
    get('get what is not there', `${collection}/${name}-none`),
  ]
}

function statusSteps(
  kind: TriedKind,
  path: string,
  patch: (step: string, type: string, path: string, body: object) => Step,
  merge: string,
): Step[] {
  return [
    patch('merge patch of the status', merge, `${path}?fieldManager=controller`, kind.status!),
    ['get the status', { method: 'GET', path }],
  ]
}

function spoiltOf(kind: TriedKind, name: string): Step[] {
  const collection = `${collectionOf(kind)}?dryRun=All`
  const spoilt = kind.spoilt.map(([path, value]): Step => {
    const body = withNamespace({ ...typeOf(kind), metadata: { name }, ...structuredClone(kind.rich) })
    put(body, path.split('.'), value)
    return [
      `${path} = ${JSON.stringify(value)?.slice(0, 60)}`,
      { method: 'POST', path: collection, headers: JSON_BODY, body },
    ]
  })
  const unknown = { ...typeOf(kind), metadata: { name, odd: 1 }, ...kind.rich, strange: { a: 1 } }
  const validations = ['Strict', 'Warn', 'Ignore', 'Odd'].map(
    (validation): Step => [
      `unknown fields, ${validation}`,
      {
        method: 'POST',
        path: `${collection}&fieldValidation=${validation}`,
        headers: JSON_BODY,
        body: withNamespace(unknown),
      },
    ],
  )
  return [...spoilt, ...validations]
}

/** `NS` in an object stands for the namespace of the test. */
function withNamespace(object: object): object {
  return JSON.parse(JSON.stringify(object).replaceAll('"NS"', JSON.stringify(NAMESPACE))) as object
}

function put(object: object, path: readonly string[], value: unknown): void {
  const parent = path.slice(0, -1).reduce((at, key) => ((at as Record<string, object>)[key] ??= {}), object)
  if (value === undefined) delete (parent as Record<string, unknown>)[path.at(-1)!]
  else (parent as Record<string, unknown>)[path.at(-1)!] = value
}

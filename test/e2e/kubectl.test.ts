/** One table of commands for each kubectl of this machine: kinds of the core server and of both sample backends. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type RegisteredSample, registerSample } from '../harness/backends.ts'
import { installedKubectls, Kubectl, type KubectlRun } from '../harness/kubectl.ts'
import { missingProgram } from '../harness/programs.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

interface Case extends KubectlRun {
  readonly name: string
  readonly args: readonly string[]
  /** On standard output. */
  readonly want?: RegExp
  readonly stderr?: RegExp
  /** Default 0. */
  readonly code?: number
}

const configMap = (data: object, more: object = {}): string =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'applied', ...more }, data })
const flower = (color: string): string =>
  JSON.stringify({
    apiVersion: 'garden.example.com/v1',
    kind: 'Flower',
    metadata: { name: 'rose' },
    spec: { color, petals: 5 },
  })

/** In this order; what one makes the next ones use. */
const CASES: readonly Case[] = [
  { name: 'version', args: ['version'], want: /Server Version:.*1\.35/s },
  {
    name: 'api-resources',
    args: ['api-resources'],
    want: /^(?=.*configmaps +cm +v1 +true +ConfigMap)(?=.*flowers +fl +garden\.example\.com\/v1 +true +Flower)(?=.*books +bk +library\.example\.com\/v1alpha1 +false +Book)/s,
  },
  { name: 'api-resources by group', args: ['api-resources', '--api-group=apps', '-o', 'name'], want: /^$/ },
  {
    name: 'api-versions',
    args: ['api-versions'],
    want: /garden\.example\.com\/v1\n.*library\.example\.com\/v1alpha1\nv1\n/s,
  },
  { name: 'create', args: ['create', 'configmap', 'made', '--from-literal=a=1'], want: /configmap\/made created/ },
  {
    name: 'create again',
    args: ['create', 'configmap', 'made'],
    code: 1,
    stderr: /configmaps? "made" already exists/,
  },
  {
    name: 'create, dry run on the server',
    args: ['create', 'configmap', 'dry', '--dry-run=server'],
    want: /created \(server dry run\)/,
  },
  { name: 'the dry run left nothing', args: ['get', 'cm', 'dry'], code: 1, stderr: /NotFound/ },
  { name: 'create a secret', args: ['create', 'secret', 'generic', 's', '--from-literal=p=x'], want: /created/ },
  { name: 'get: table', args: ['get', 'cm', 'made'], want: /^NAME +DATA +AGE\nmade +1 +\d+s\n$/ },
  {
    name: 'get: wide',
    args: ['get', 'ns', '-o', 'wide', '--show-labels'],
    want: /NAME +STATUS +AGE +LABELS\ndefault +Active/,
  },
  {
    name: 'get: yaml',
    args: ['get', 'cm', 'made', '-o', 'yaml'],
    want: /^apiVersion: v1\ndata:\n {2}a: "1"\nkind: ConfigMap\n/,
  },
  { name: 'get: json', args: ['get', 'cm', 'made', '-o', 'json'], want: /"kind": "ConfigMap"/ },
  { name: 'get: name', args: ['get', 'cm,secret', '-o', 'name'], want: /^configmap\/made\nsecret\/s\n$/ },
  { name: 'get: jsonpath', args: ['get', 'cm', 'made', '-o', 'jsonpath={.data.a}'], want: /^1$/ },
  {
    name: 'get: custom columns',
    args: ['get', 'cm', 'made', '-o', 'custom-columns=N:.metadata.name,A:.data.a'],
    want: /^N +A\nmade +1\n$/,
  },
  { name: 'get: in pieces', args: ['get', 'cm', '--chunk-size=1', '-A', '-o', 'name'], want: /configmap\/made\n/ },
  { name: 'get: nothing', args: ['get', 'leases'], stderr: /No resources found in/ },
  {
    name: 'get: an unknown kind',
    args: ['get', 'gizmos'],
    code: 1,
    stderr: /the server doesn't have a resource type "gizmos"/,
  },
  {
    name: 'apply: create',
    args: ['apply', '-f', '-'],
    stdin: configMap({ a: '1', b: '1' }),
    want: /configmap\/applied created/,
  },
  {
    name: 'apply: same again',
    args: ['apply', '-f', '-'],
    stdin: configMap({ a: '1', b: '1' }),
    want: /applied unchanged/,
  },
  { name: 'apply: a change', args: ['apply', '-f', '-'], stdin: configMap({ a: '2' }), want: /applied configured/ },
  {
    name: 'apply: what is gone was removed',
    args: ['get', 'cm', 'applied', '-o', 'jsonpath={.data}'],
    want: /^\{"a":"2"\}$/,
  },
  {
    name: 'apply: on the server',
    args: ['apply', '--server-side', '-f', '-'],
    stdin: configMap({ a: '2' }),
    want: /applied serverside-applied/,
  },
  {
    name: 'apply: on the server, what another manager owns',
    args: ['apply', '--server-side', '--field-manager=other', '-f', '-'],
    stdin: configMap({ a: '3' }),
    code: 1,
    stderr: /conflict with "kubectl"/,
  },
  {
    name: 'apply: on the server, by force',
    args: ['apply', '--server-side', '--field-manager=other', '--force-conflicts', '-f', '-'],
    stdin: configMap({ a: '2' }),
    want: /serverside-applied/,
  },
  { name: 'diff', args: ['diff', '-f', '-'], stdin: configMap({ a: '9' }), code: 1, want: /-\s+a: "2"\n\+\s+a: "9"/ },
  { name: 'patch: strategic', args: ['patch', 'cm', 'made', '-p', '{"data":{"s":"1"}}'], want: /patched/ },
  { name: 'patch: merge', args: ['patch', 'cm', 'made', '--type=merge', '-p', '{"data":{"m":"1"}}'], want: /patched/ },
  {
    name: 'patch: JSON',
    args: ['patch', 'cm', 'made', '--type=json', '-p', '[{"op":"add","path":"/data/j","value":"1"}]'],
    want: /patched/,
  },
  {
    name: 'patch: nothing to do',
    args: ['patch', 'cm', 'made', '-p', '{"data":{"s":"1"}}'],
    want: /patched \(no change\)/,
  },
  { name: 'label', args: ['label', 'cm', 'made', 'tier=front'], want: /labeled/ },
  { name: 'get: by label', args: ['get', 'cm', '-l', 'tier in (front),!x', '-o', 'name'], want: /^configmap\/made\n$/ },
  {
    name: 'get: by field',
    args: ['get', 'cm', '--field-selector=metadata.name!=made', '-o', 'name'],
    want: /^configmap\/applied\n$/,
  },
  { name: 'annotate', args: ['annotate', 'cm', 'made', 'note=x'], want: /annotated?/ },
  { name: 'edit', args: ['edit', 'cm', 'made'], want: /edited/ },
  { name: 'edit: it was saved', args: ['get', 'cm', 'made', '-o', 'jsonpath={.data.a}'], want: /^edited$/ },
  { name: 'replace', args: ['replace', '-f', '-'], stdin: configMap({ a: '4' }), want: /replaced/ },
  { name: 'describe', args: ['describe', 'cm', 'made'], want: /Name: +made\n.*Labels: +tier=front/s },
  { name: 'describe a namespace', args: ['describe', 'ns', 'default'], want: /Status: +Active/ },
  {
    name: 'wait: a value',
    args: ['wait', 'cm/made', '--for=jsonpath={.data.m}=1', '--timeout=10s'],
    want: /condition met/,
  },
  { name: 'get --raw', args: ['get', '--raw', '/readyz'], want: /^ok/ },
  { name: 'get -v=8', args: ['get', 'cm', 'made', '-v=8'], stderr: /Content-Length: \d+/ },
  { name: 'explain', args: ['explain', 'configmap.data'], want: /KIND: +ConfigMap/ },
  { name: 'explain a kind of a backend', args: ['explain', 'flower.spec'], want: /KIND: +Flower/ },
  { name: 'auth can-i', args: ['auth', 'can-i', 'create', 'configmaps'], want: /^yes/ },
  { name: 'cluster scoped backend: apply', args: ['apply', '-f', '-'], want: /book\S*\/BOOK created/ },
  { name: 'cluster scoped backend: get', args: ['get', 'bk', 'BOOK'], want: /^NAME.*\nBOOK /s },
  { name: 'cluster scoped backend: delete', args: ['delete', 'book', 'BOOK'], want: /deleted/ },
  { name: 'backend: apply', args: ['apply', '-f', '-'], stdin: flower('red'), want: /flower\S*\/rose created/ },
  { name: 'backend: apply a change', args: ['apply', '-f', '-'], stdin: flower('blue'), want: /configured/ },
  { name: 'backend: get: table', args: ['get', 'fl'], want: /^NAME.*\nrose /s },
  { name: 'backend: get: jsonpath', args: ['get', 'fl', 'rose', '-o', 'jsonpath={.spec.color}'], want: /^blue$/ },
  {
    name: 'backend: patch',
    args: ['patch', 'fl', 'rose', '--type=merge', '-p', '{"spec":{"petals":6}}'],
    want: /patched/,
  },
  { name: 'backend: label', args: ['label', 'fl', 'rose', 'a=b'], want: /labeled/ },
  { name: 'backend: delete', args: ['delete', 'fl', 'rose'], want: /deleted/ },
  { name: 'delete', args: ['delete', 'cm', 'made'], want: /"made" deleted/ },
  { name: 'wait: it is gone', args: ['wait', 'cm/made', '--for=delete', '--timeout=10s'] },
  { name: 'delete all', args: ['delete', 'cm,secret', '--all'], want: /"applied" deleted/ },
]
const EDIT = '#!/bin/sh\nsed -i "s/a: \\"1\\"/a: edited/" "$1"\n'

const skip = missingProgram('kubectl', 'kubernetes-client')
const kubectls = await installedKubectls()

describe('kubectl', { skip, concurrency: 3 }, () => {
  let portico: TestServer
  const samples: RegisteredSample[] = []
  before(async () => {
    portico = await startTestServer()
    samples.push(await registerSample(portico, 'garden'), await registerSample(portico, 'library'))
  })
  after(async () => {
    for (const sample of samples) await sample[Symbol.asyncDispose]()
    await portico.stop()
  })

  for (const path of kubectls) {
    test(path.slice(path.lastIndexOf('/') + 1), async (t) => {
      await using kubectl = await Kubectl.create(path, portico.kubeconfig)
      const namespace = kubectl.name.replaceAll('.', '-')
      const book = `book-${namespace}`
      const KUBE_EDITOR = await kubectl.file('edit.sh', EDIT, 0o700)
      assert.equal((await kubectl.run(['create', 'namespace', namespace])).code, 0)
      for (const c of CASES) {
        await t.test(c.name, async () => {
          const args = ['-n', namespace, ...c.args.map((a) => a.replace('BOOK', book))]
          const stdin = c.args.includes('-f') ? (c.stdin ?? bookManifest(book)) : ''
          const { code, stdout, stderr } = await kubectl.run(args, { ...c, stdin, env: { KUBE_EDITOR } })
          assert.equal(code, c.code ?? 0, `${stdout}${stderr}`)
          if (c.want) assert.match(stdout.replaceAll(book, 'BOOK'), c.want)
          if (c.stderr) assert.match(stderr, c.stderr)
        })
      }
      await t.test('get -w', () => watches(kubectl, portico, namespace))
      await t.test('proxy', () => proxies(kubectl))
      await t.test('delete the namespace', async () => {
        const { code, stderr } = await kubectl.run(['delete', 'namespace', namespace, '--timeout=20s'])
        assert.equal(code, 0, stderr)
      })
      await t.test('the discovery cache is used', () => usesCache(path, portico))
    })
  }
})

function bookManifest(name: string): string {
  return JSON.stringify({ apiVersion: 'library.example.com/v1alpha1', kind: 'Book', metadata: { name }, spec: {} })
}

/** Sees an object come and go that another client makes. */
async function watches(kubectl: Kubectl, portico: TestServer, namespace: string): Promise<void> {
  const collection = `/api/v1/namespaces/${namespace}/configmaps`
  const steps = [
    (): Promise<unknown> => portico.admin.post(collection, { metadata: { name: 'second' } }),
    (): Promise<unknown> => portico.admin.delete(`${collection}/second`),
  ]
  await portico.admin.post(collection, { metadata: { name: 'first' } })
  const { stdout } = await kubectl.run(['-n', namespace, 'get', 'cm', '-w', '--output-watch-events'], {
    enough: async (text) => {
      const seen = text.split('\n').length - 2
      if (seen <= steps.length) await steps[seen - 1]?.()
      return seen > steps.length
    },
  })
  assert.match(stdout, /\nADDED +first .*\nADDED +second .*\nDELETED +second /)
}

async function proxies(kubectl: Kubectl): Promise<void> {
  let answer = ''
  await kubectl.run(['proxy', '--port=0'], {
    enough: async (text) => {
      const port = /127\.0\.0\.1:(\d+)/.exec(text)?.[1]
      if (port === undefined) return false
      answer = await (await fetch(`http://127.0.0.1:${port}/api/v1/namespaces/default`)).text()
      return true
    },
  })
  assert.match(answer, /"kind":"Namespace"/)
}

/** The first command asks what there is; the second one knows. */
async function usesCache(path: string, portico: TestServer): Promise<void> {
  await using fresh = await Kubectl.create(path, portico.kubeconfig)
  const asked = /GET https:\/\/[^/]+\/apis?(\?[^ ]*)? |url="https:\/\/[^/]+\/apis?(\?[^"]*)?"/
  const first = await fresh.run(['get', 'ns', 'default', '-v=6'])
  assert.match(first.stderr, asked)
  const second = await fresh.run(['get', 'ns', 'default', '-v=6'])
  assert.match(second.stderr, /\/api\/v1\/namespaces\/default/)
  assert.doesNotMatch(second.stderr, asked)
}

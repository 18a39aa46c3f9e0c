/** The official JavaScript client: objects, watches, and an informer that outlives its watch. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import {
  type V1ConfigMap,
  CoreV1Api,
  CustomObjectsApi,
  KubeConfig,
  KubernetesObjectApi,
  PatchStrategy,
  Watch,
  makeInformer,
  setHeaderOptions,
} from '@kubernetes/client-node'
import { type RegisteredSample, registerSample } from '../harness/backends.ts'
import { freePort } from '../harness/prometheus.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'
import { Deferred } from '../../src/lib/deferred.ts'

const namespace = 'default'

describe('@kubernetes/client-node', () => {
  let portico: TestServer
  let garden: RegisteredSample
  let config: KubeConfig
  before(async () => {
    portico = await startTestServer()
    garden = await registerSample(portico, 'garden')
    config = new KubeConfig()
    config.loadFromFile(portico.kubeconfig)
  })
  after(async () => {
    await garden[Symbol.asyncDispose]()
    await portico.stop()
  })

  test('config maps are made, read, changed, listed and deleted', async () => {
    const core = config.makeApiClient(CoreV1Api)
    const made = await core.createNamespacedConfigMap({
      namespace,
      body: { metadata: { name: 'a' }, data: { k: '1' } },
    })
    assert.ok(made.metadata!.uid)
    const replaced = await core.replaceNamespacedConfigMap({
      namespace,
      name: 'a',
      body: { metadata: made.metadata!, data: { k: '2' } },
    })
    assert.notEqual(replaced.metadata!.resourceVersion, made.metadata!.resourceVersion)
    await assert.rejects(core.replaceNamespacedConfigMap({ namespace, name: 'a', body: made }), { code: 409 })
    const patched = await core.patchNamespacedConfigMap(
      { namespace, name: 'a', body: { data: { m: '1' } } },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    )
    assert.deepEqual(patched.data, { k: '2', m: '1' })
    const { items } = await core.listNamespacedConfigMap({ namespace, fieldSelector: 'metadata.name=a' })
    assert.deepEqual(
      items.map((i) => i.data),
      [{ k: '2', m: '1' }],
    )
    await core.deleteNamespacedConfigMap({ namespace, name: 'a' })
    await assert.rejects(core.readNamespacedConfigMap({ namespace, name: 'a' }), { code: 404 })
  })

  test('objects of a backend are made, read and deleted, by group and by kind', async () => {
    const { group, version, resource: plural } = garden.definition
    const custom = config.makeApiClient(CustomObjectsApi)
    const apiVersion = `${group}/${version}`
    const body = { apiVersion, kind: 'Flower', metadata: { name: 'tulip' }, spec: { color: 'red' } }
    await custom.createNamespacedCustomObject({ group, version, namespace, plural, body })
    const read = (await custom.getNamespacedCustomObject({
      group,
      version,
      namespace,
      plural,
      name: 'tulip',
    })) as typeof body
    assert.equal(read.spec.color, 'red')
    const objects = KubernetesObjectApi.makeApiClient(config)
    const found = await objects.read({ apiVersion, kind: 'Flower', metadata: { name: 'tulip', namespace } })
    assert.equal(found.metadata!.name, 'tulip')
    await objects.delete({ apiVersion, kind: 'Flower', metadata: { name: 'tulip', namespace } })
    await assert.rejects(custom.getNamespacedCustomObject({ group, version, namespace, plural, name: 'tulip' }), {
      code: 404,
    })
  })

  for (const kind of ['core', 'backend'] as const) {
    test(`a watch of a ${kind} kind tells what happens`, async () => {
      const collection = kind === 'core' ? `/api/v1/namespaces/${namespace}/configmaps` : garden.collection
      const seen: string[] = []
      const complete = new Deferred<void>()
      const controller = await new Watch(config).watch(
        collection,
        { fieldSelector: kind === 'core' ? 'metadata.name=watched' : '' },
        (type: string, object: { metadata: { name: string } }) => {
          if (object.metadata.name === 'watched') seen.push(type)
          if (type === 'DELETED') complete.resolve()
        },
        () => complete.resolve(),
      )
      const body =
        kind === 'core'
          ? { metadata: { name: 'watched' } }
          : { apiVersion: 'garden.example.com/v1', kind: 'Flower', metadata: { name: 'watched' }, spec: {} }
      assert.equal((await portico.admin.post(collection, body)).status, 201)
      await portico.admin.patch(`${collection}/watched`, 'merge', { metadata: { labels: { a: 'b' } } })
      await portico.admin.delete(`${collection}/watched`)
      await complete.promise
      controller.abort()
      assert.deepEqual(seen, ['ADDED', 'MODIFIED', 'DELETED'])
    })
  }

  test('an informer goes on after the server was started again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'portico-informer-'))
    const args = [`--secure-port=${await freePort()}`, '--storage-backend=embedded']
    const collection = `/api/v1/namespaces/${namespace}/configmaps`
    const first = await startTestServer(args, { dataDir: folder })
    let second: TestServer | undefined
    const own = new KubeConfig()
    own.loadFromFile(first.kubeconfig)
    const informer = makeInformer<V1ConfigMap>(own, collection, () =>
      own.makeApiClient(CoreV1Api).listNamespacedConfigMap({ namespace }),
    )
    const added = new Map<string, Deferred<void>>(['before', 'after'].map((name) => [name, new Deferred<void>()]))
    const down = new Deferred<void>()
    informer.on('add', (object) => added.get(object.metadata!.name!)?.resolve())
    informer.on('error', () => down.resolve())
    await informer.start()
    try {
      await first.admin.post(collection, { metadata: { name: 'before' } })
      await added.get('before')!.promise
      await first.stop()
      await down.promise
      second = await startTestServer(args, { dataDir: folder })
      await second.admin.post(collection, { metadata: { name: 'after' } })
      await informer.start()
      await added.get('after')!.promise
      const names = informer.list(namespace).map((o) => o.metadata!.name!)
      assert.deepEqual(names.filter((name) => added.has(name)).toSorted(), ['after', 'before'])
    } finally {
      await informer.stop()
      await first.stop()
      await second?.stop()
      await rm(folder, { recursive: true, force: true })
    }
  })
})

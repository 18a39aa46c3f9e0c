/** Clients that stream lists, in front of backends that never end the initial events. */
import assert from 'node:assert/strict'
import { request } from 'node:https'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { type RegisteredSample, registerSample } from '../harness/backends.ts'
import { HeldClock, passLively } from '../harness/held-clock.ts'
import { installedKubectls, Kubectl } from '../harness/kubectl.ts'
import { missingProgram } from '../harness/programs.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

const STREAMED = 'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
const INVALID = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message:
    'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled',
  reason: 'Invalid',
  details: {
    group: 'meta.k8s.io',
    kind: 'ListOptions',
    causes: [
      {
        reason: 'FieldValueForbidden',
        message: 'Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled',
        field: 'sendInitialEvents',
      },
    ],
  },
  code: 422,
}

interface WatchEvent {
  readonly type: string
  readonly object: { readonly metadata?: { readonly name?: string; readonly resourceVersion?: string } }
}

let portico: TestServer
let garden: RegisteredSample
before(async () => {
  portico = await startTestServer()
  garden = await registerSample(portico, 'garden')
  for (const name of ['rose', 'tulip']) await portico.admin.post(garden.collection, { metadata: { name } })
})
after(async () => {
  await garden[Symbol.asyncDispose]()
  await portico.stop()
})

/** All events until the server ends the stream. */
async function events(query: string): Promise<{ status: number; events: WatchEvent[]; text: string }> {
  const answer = await portico.admin.get(`${garden.collection}?${query}`)
  const lines = answer.status === 200 ? answer.text.trimEnd().split('\n') : []
  return { status: answer.status, events: lines.map((line) => JSON.parse(line) as WatchEvent), text: answer.text }
}

/** What a reflector of client-go does: any error of the streamed list makes it list, then watch from there. */
async function untilSynced(signal: AbortSignal): Promise<{ names: string[]; how: string }> {
  const { body, statusCode } = await portico.admin.stream(`${garden.collection}?${STREAMED}&timeoutSeconds=300`, {
    signal,
  })
  body.on('error', () => {}) // of a body that is left
  const names: string[] = []
  let rest = ''
  try {
    if (statusCode === 200) {
      for await (const chunk of body) {
        rest += String(chunk)
        const lines = rest.split('\n')
        rest = lines.pop()!
        for (const line of lines) {
          const event = JSON.parse(line) as WatchEvent
          if (event.type === 'ADDED') names.push(event.object.metadata!.name!)
          if (event.type === 'BOOKMARK' && line.includes('"k8s.io/initial-events-end":"true"'))
            return { names, how: 'streamed' }
        }
      }
    }
  } finally {
    body.destroy()
  }
  const list = (await portico.admin.get(garden.collection)).json<{ items: WatchEvent['object'][] }>()
  return { names: list.items.map((o) => o.metadata!.name!), how: 'listed' }
}

const missing = async (server = portico): Promise<number> => {
  const { text } = await server.admin.get('/metrics')
  const line = /^portico_watchlist_missing_bookmark_total\{.*resource="flowers".*\} (\d+)$/m.exec(text)
  return Number(line?.[1] ?? 0)
}
/** Another spec: nothing of what was learned holds. */
let priority = 20
async function forgetAll(): Promise<void> {
  const path = `/apis/apiregistration.k8s.io/v1/apiservices/${garden.apiService}`
  const { spec } = (await portico.admin.get(path)).json<{ spec: { insecureSkipTLSVerify?: boolean } }>()
  const caBundle = Buffer.from(portico.pki.ca().cert + '\n'.repeat(priority++)).toString('base64')
  assert.equal((await portico.admin.patch(path, 'merge', { spec: { ...spec, caBundle } })).status, 200)
  const learned = async (): Promise<number> =>
    (await portico.admin.get(`${garden.collection}?${STREAMED}&timeoutSeconds=1`)).status
  while ((await learned()) !== 200) await setTimeout(10)
}

test('a backend that ends its initial events: every byte passes as it is, and nothing is learned against it', async () => {
  garden.sample.knobs.bookmarks = true
  const query = `${STREAMED}&timeoutSeconds=1`
  const direct = await new Promise<string>((resolve, reject) => {
    const { cert, key } = portico.pki.frontProxyClient()
    const asked = request(
      {
        host: '127.0.0.1',
        port: garden.sample.port,
        path: `${garden.collection}?${query}`,
        servername: 'garden.default.svc',
        cert,
        key,
        ca: portico.pki.ca().cert,
        headers: { 'x-remote-user': 'a' },
      },
      (answer) => {
        let text = ''
        answer.on('data', (chunk) => (text += String(chunk))).on('end', () => resolve(text))
      },
    )
    asked.on('error', reject).end()
  })
  for (let i = 0; i < 3; i++) assert.equal((await events(query)).text, direct)
  assert.match(direct, /initial-events-end/)
  assert.equal(await missing(), 0)
})

test('a backend that never does: the first stream ends with an error, later ones are refused, informers sync', async () => {
  garden.sample.knobs.bookmarks = false
  await forgetAll()
  const startMs = Date.now()
  const first = await untilSynced(AbortSignal.timeout(15_000))
  assert.ok(Date.now() - startMs < 5000, `synced after ${Date.now() - startMs} ms`)
  assert.deepEqual(first, { names: ['rose', 'tulip'], how: 'listed' })
  assert.equal(await missing(), 1)

  const refused = await events(`${STREAMED}&timeoutSeconds=300`)
  assert.equal(refused.status, 422)
  assert.deepEqual(JSON.parse(refused.text), INVALID)
  const secondMs = Date.now()
  assert.equal((await untilSynced(AbortSignal.timeout(15_000))).how, 'listed')
  assert.ok(Date.now() - secondMs < 1000)
  assert.equal(await missing(), 1, 'what is refused is no stream')

  // Ordinary watches are as before, and so are streamed lists that want no bookmark.
  for (const query of ['watch=true&timeoutSeconds=1', 'watch=true&allowWatchBookmarks=true&timeoutSeconds=1'])
    assert.deepEqual(
      (await events(query)).events.map((e) => e.type),
      ['ADDED', 'ADDED'],
    )
  const without = 'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1'
  assert.equal((await events(without)).status, 200)
})

test('the error event of a stalled stream is the refusal itself, after all objects', async () => {
  garden.sample.knobs.bookmarks = false
  await forgetAll()
  const { events: seen } = await events(`${STREAMED}&timeoutSeconds=300`)
  assert.deepEqual(
    seen.map((e) => e.type),
    ['ADDED', 'ADDED', 'ERROR'],
  )
  assert.deepEqual(seen.at(-1)!.object, INVALID)
})

test('streams that a client wants short, or leaves, say nothing of a backend', async () => {
  garden.sample.knobs.bookmarks = false
  await forgetAll()
  const before = await missing()
  for (let i = 0; i < 3; i++) assert.equal((await events(`${STREAMED}&timeoutSeconds=1`)).status, 200)
  for (let i = 0; i < 3; i++) {
    const { body } = await portico.admin.stream(`${garden.collection}?${STREAMED}`)
    body.on('error', () => {})
    body.destroy()
  }
  assert.equal((await events(`${STREAMED}&timeoutSeconds=1`)).status, 200)
  assert.equal(await missing(), before)
})

test('a backend that is another one gets another chance', async () => {
  garden.sample.knobs.bookmarks = false
  await forgetAll()
  await untilSynced(AbortSignal.timeout(15_000))
  assert.equal((await events(STREAMED)).status, 422)
  garden.sample.knobs.bookmarks = true
  await forgetAll()
  assert.equal((await untilSynced(AbortSignal.timeout(15_000))).how, 'streamed')
})

const skip = missingProgram('kubectl', 'kubernetes-client')
for (const bookmarks of [false, true]) {
  const name = bookmarks ? 'that ends its initial events' : 'that never does'
  test(`client-go's informers sync within 5 s and hear of changes, in front of a backend ${name}`, {
    skip,
  }, async (t) => {
    for (const path of await installedKubectls()) {
      const clock = new HeldClock()
      await using portico = await startTestServer([], { clock })
      await using garden = await registerSample(portico, 'garden')
      garden.sample.knobs.bookmarks = bookmarks
      await portico.admin.post(garden.collection, { metadata: { name: 'rose' }, spec: { color: 'white' } })
      await using kubectl = await Kubectl.create(path, portico.kubeconfig)
      const asked = (text: string): boolean => garden.sample.seen.some((r) => r.url.includes(text))
      clock.hold()
      // It waits with an informer; the feature is behind this switch, and on by itself in newer clients.
      const env = { KUBE_FEATURE_WatchListClient: 'true' }
      const waiting = kubectl.run(['wait', 'flowers/rose', '--for=jsonpath={.spec.color}=red', '--timeout=25s'], {
        env,
      })
      await until('it watches', () => asked('watch=true'))
      const isStreamed = asked('sendInitialEvents=true')
      const follows = (): boolean => garden.sample.seen.some((r) => /watch=true/.test(r.url) && !/sendInit/.test(r.url))
      // Of time by the server's clock: how fast this machine is says nothing.
      const told = async (): Promise<boolean> => (await missing(portico)) > 0
      const tookMs = isStreamed && !bookmarks ? await passLively(portico, clock, 5000, { enough: told }) : 0
      assert.ok(tookMs < 5000, `${kubectl.name} is told only after ${tookMs} ms`)
      // What it makes of that takes its own time, not the server's.
      if (isStreamed && !bookmarks) await until('it follows changes', follows)
      await portico.admin.patch(`${garden.collection}/rose`, 'merge', { spec: { color: 'red' } })
      const { code, stdout, stderr } = await waiting
      assert.equal(code, 0, `${kubectl.name}: ${stdout}${stderr}`)
      t.diagnostic(`${kubectl.name}: ${isStreamed ? 'streamed' : 'listed'}, ${tookMs} ms`)
    }
  })
}

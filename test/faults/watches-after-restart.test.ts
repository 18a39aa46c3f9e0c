/** Clients that list once and then watch, as informers do, while the server is stopped and killed under them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { DataDir } from '../../src/app/files/data-dir.ts'
import { Pki } from '../../src/app/files/pki.ts'
import { provingEtcdMissing, startEtcd } from '../harness/etcd.ts'
import { type HttpClient, httpClient } from '../harness/http-client.ts'
import { type RunningProcess, serveReady, startPortico } from '../harness/portico-process.ts'

const WATCHES = 50
const COLLECTION = '/api/v1/namespaces/default/configmaps'
const RETRY_MS = 20

interface ConfigMap {
  readonly metadata: { readonly name: string; readonly resourceVersion: string }
}
interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: ConfigMap & { readonly code?: number }
}

/** The way to the server of some clients. */
class Line {
  #cut = new AbortController()
  #whole: Promise<void> = Promise.resolve()
  #restored: (() => void) | undefined

  get signal(): AbortSignal {
    return this.#cut.signal
  }
  whole(): Promise<void> {
    return this.#whole
  }
  cut(): void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#whole = promise
    this.#restored = resolve
    this.#cut.abort()
    this.#cut = new AbortController()
  }
  restore(): void {
    this.#restored?.()
  }
}

/** Follows a collection: lists at first, and again only where it is told that its revision is too old. */
class Follower {
  lists = 0
  /** `ADDED w1 17` ... of the watch. */
  readonly events: string[] = []
  readonly objects = new Map<string, string>()
  readonly #client: HttpClient
  readonly #line: Line
  readonly #awaited = Promise.withResolvers<void>()
  #revision = ''

  constructor(client: HttpClient, line: Line) {
    this.#client = client
    this.#line = line
  }
  /** Follows until the object of this name comes. */
  async run(last: string): Promise<void> {
    await this.#list()
    const over = this.#awaited.promise.then(() => true)
    let ended = false
    void over.then(() => (ended = true))
    while (!ended) {
      await this.#line.whole()
      const watch = this.#watch(last).catch(() => {}) // the server is not there, or went away on the way
      await Promise.race([watch, over])
      await Promise.race([pause(RETRY_MS), over])
    }
  }
  async #list(): Promise<void> {
    this.lists++
    const answer = await this.#client.get(COLLECTION)
    const { metadata, items } = answer.json<{ metadata: { resourceVersion: string }; items: ConfigMap[] }>()
    this.objects.clear()
    for (const { metadata: m } of items) this.objects.set(m.name, m.resourceVersion)
    this.#revision = metadata.resourceVersion
  }
  async #watch(last: string): Promise<void> {
    const query = `watch=1&allowWatchBookmarks=true&resourceVersion=${this.#revision}`
    const { statusCode, body } = await this.#client.stream(`${COLLECTION}?${query}`, { signal: this.#line.signal })
    if (statusCode === 410) {
      await body.dump()
      return this.#list()
    }
    let text = ''
    for await (const chunk of body) {
      text += String(chunk)
      const lines = text.split('\n')
      text = lines.pop()!
      for (const line of lines) {
        const event = JSON.parse(line) as WatchEvent
        if (event.type === 'ERROR') {
          if (event.object.code === 410) await this.#list()
          return
        }
        this.#take(event)
        if (event.object.metadata.name === last) this.#awaited.resolve()
      }
    }
  }
  #take({ type, object: { metadata } }: WatchEvent): void {
    this.#revision = metadata.resourceVersion
    if (type === 'BOOKMARK') return
    this.events.push(`${type} ${metadata.name} ${metadata.resourceVersion}`)
    if (type === 'DELETED') this.objects.delete(metadata.name)
    else this.objects.set(metadata.name, metadata.resourceVersion)
  }
}

/** Repeats a write until a server answers; that it has been done already is an answer. */
async function persistently(write: () => Promise<{ status: number }>): Promise<void> {
  for (;;) {
    const { status } = await write().catch(() => ({ status: 0 }))
    if (status !== 0 && status !== 429 && status < 500) return
    await pause(RETRY_MS)
  }
}

class Writer {
  readonly #client: HttpClient
  #written = 0
  #reached = new Map<number, () => void>()
  #stopped = false

  constructor(client: HttpClient) {
    this.#client = client
  }
  async run(last: string): Promise<void> {
    while (!this.#stopped) {
      const n = this.#written
      await this.#create(`w${n}`)
      const path = `${COLLECTION}/w${n}`
      if (n % 3 === 1) await persistently(() => this.#client.patch(path, 'merge', { data: { changed: 'yes' } }))
      if (n % 3 === 2) await persistently(() => this.#client.delete(path))
      this.#reached.get(++this.#written)?.()
    }
    await this.#create(last)
  }
  /** Resolves when so many more objects have been written. */
  more(count: number): Promise<void> {
    return new Promise((resolve) => this.#reached.set(this.#written + count, resolve))
  }
  stop(): void {
    this.#stopped = true
  }
  async #create(name: string): Promise<void> {
    await persistently(() => this.#client.post(COLLECTION, { metadata: { name } }))
  }
}

async function followAcrossRestarts(args: readonly string[]): Promise<void> {
  const dataDir = mkdtempSync(join(tmpdir(), 'portico-restart-'))
  const start = (port: number): RunningProcess =>
    startPortico(['serve', '--bind-address=127.0.0.1', `--secure-port=${port}`, `--data-dir=${dataDir}`, ...args])
  let server = start(0)
  try {
    const port = await serveReady(server)
    const pki = new Pki(new DataDir(dataDir), () => Date.now())
    const client = httpClient(`https://127.0.0.1:${port}`, { ca: pki.ca().cert, ...pki.admin() })
    // Half of the clients are away when the server goes: what they miss was written before the next one starts.
    const [steady, away] = [new Line(), new Line()]
    const followers = Array.from({ length: WATCHES }, (_, i) => new Follower(client, i % 2 === 0 ? steady : away))
    const following = followers.map((f) => f.run('last'))
    const writer = new Writer(client)
    const writing = writer.run('last')
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      await writer.more(20)
      away.cut()
      await writer.more(10)
      server.child.kill(signal)
      await server.ended
      server = start(port)
      await serveReady(server)
      away.restore()
    }
    await writer.more(30)
    writer.stop()
    await writing
    await Promise.all(following)
    const { items } = (await client.get(COLLECTION)).json<{ items: ConfigMap[] }>()
    for (const follower of followers) check(follower, items)
    await client.close()
  } finally {
    await server[Symbol.asyncDispose]()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

function check({ lists, events, objects }: Follower, items: readonly ConfigMap[]): void {
  assert.equal(lists, 1, 'it had to list again')
  const revisions = events.map((e) => Number(e.split(' ')[2]))
  for (const [i, r] of revisions.entries()) assert.ok(i === 0 || r > revisions[i - 1]!, `${r} came late or twice`)
  const deleted = events.filter((e) => e.startsWith('DELETED')).length
  const added = events.filter((e) => e.startsWith('ADDED')).length
  assert.ok(added > 60 && deleted > 20, `${added} added, ${deleted} deleted`)
  assert.deepEqual(
    [...objects].sort(([a], [b]) => (a < b ? -1 : 1)),
    items.map(({ metadata: m }) => [m.name, m.resourceVersion]).sort(([a], [b]) => (a! < b! ? -1 : 1)),
  )
}

test('watches resume after SIGTERM and kill -9 without listing again: embedded', { timeout: 120_000 }, () =>
  followAcrossRestarts([]),
)
test('watches resume after SIGTERM and kill -9 without listing again: etcd', {
  timeout: 120_000,
  skip: provingEtcdMissing(),
}, async () => {
  await using etcd = await startEtcd()
  await followAcrossRestarts(['--storage-backend=etcd3', `--etcd-servers=${etcd.connection.servers.join(',')}`])
})

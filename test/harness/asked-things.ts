/**
 * A resource server of one small kind on storage in memory, asked without a wire: what tests of the verbs talk to. They
 * know no more of it than requests and answers, so that the path of a write can be rebuilt under them.
 */
import { Readable } from 'node:stream'
import { noopMetrics } from '../../src/observability/metrics.ts'
import type { Strategy } from '../../src/registry/strategy.ts'
import { delegateChain } from '../../src/servers/generic/delegate-chain.ts'
import { panicRecoveryFilter } from '../../src/servers/generic/filters/panic-recovery.ts'
import { type FakeExchange, fakeRequest } from './fake-exchange.ts'
import { startThingServer, thingGroup, thingResource } from './thing-server.ts'

type Json = Record<string, unknown>

export interface Asked {
  readonly method?: string
  /** Path and query, below the group version. */
  readonly target: string
  /** An object is sent as JSON. */
  readonly body?: object | string
  readonly type?: string
  readonly accept?: string
}
export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
  readonly warnings: readonly string[]
}
/** A watch that goes on. */
export interface Watched {
  readonly exchange: FakeExchange
  /** Resolves with the text so far as soon as it has that many events. */
  events(count: number): Promise<readonly Json[]>
}

export interface ThingServer extends AsyncDisposable {
  ask(asked: Asked): Promise<Answered>
  watch(target: string): Watched
}

const ROOT = '/apis/test/v1'
const plain: Strategy = {
  allowCreateOnUpdate: false,
  allowUnconditionalUpdate: true,
  prepare: () => {},
  validate: () => [],
}

/** Things as they are stored at the start; `things` has all verbs, and `things/status` get, update and patch. */
export async function openThings(names: readonly string[] = []): Promise<ThingServer> {
  const ends = new Set<() => void>()
  const resource = thingResource({
    strategy: plain,
    subresources: [{ name: 'status', is: 'view', verbs: ['get', 'patch', 'update'], strategy: plain }],
  })
  const opened = await startThingServer({
    groups: [thingGroup([resource])],
    trackWatch: (end) => {
      ends.add(end)
      return () => ends.delete(end)
    },
  })
  const { server, clock } = opened
  const chain = delegateChain([server])
  const recovery = panicRecoveryFilter(noopMetrics)

  function begin(asked: Asked): { exchange: FakeExchange; warnings: readonly string[]; finished: Promise<void> } {
    const { method = 'GET', target, body, type = 'application/json', accept } = asked
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    const { exchange, ctx } = fakeRequest(
      {
        method,
        target: ROOT + target,
        headers: {
          ...(body === undefined ? {} : { 'content-type': type }),
          ...(accept === undefined ? {} : { accept }),
        },
        ...(body === undefined ? {} : { body: Readable.from([Buffer.from(text)]) }),
      },
      clock,
    )
    ctx.user = { name: 'me', groups: [] }
    const finished = new Promise<void>((resolve) => exchange.onFinish(() => resolve()))
    void recovery.wrap(chain)(ctx)
    return { exchange, warnings: ctx.warnings, finished }
  }

  const things: ThingServer = {
    ask: async (asked) => {
      const { exchange, warnings, finished } = begin(asked)
      await finished
      return { status: exchange.status, headers: exchange.answered, text: exchange.text, warnings }
    },
    watch: (target) => {
      const { exchange } = begin({ target })
      return { exchange, events: (count) => eventsOf(exchange, count) }
    },
    [Symbol.asyncDispose]: async () => {
      for (const end of ends) end()
      await opened[Symbol.asyncDispose]()
    },
  }
  for (const name of names) await things.ask({ method: 'POST', target: '/namespaces/ns/things', body: thing(name) })
  return things
}

/** Waits for what is written, turn by turn of the event loop. */
async function eventsOf(exchange: FakeExchange, count: number): Promise<readonly Json[]> {
  for (;;) {
    const lines = exchange.text.split('\n').slice(0, -1)
    if (lines.length >= count || exchange.phase === 'finished') return lines.map((line) => JSON.parse(line) as Json)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

export const thing = (name: string, data: Json = { a: '1' }, metadata: Json = {}): Json => ({
  apiVersion: 'test/v1',
  kind: 'Thing',
  metadata: { name, ...metadata },
  data,
})

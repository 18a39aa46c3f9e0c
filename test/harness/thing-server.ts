/** A server of `things` over memory, without a wire: requests go to its handlers on a FakeExchange. */
import { Readable } from 'node:stream'
import { AdmissionChain, type AdmissionPlugin } from '../../src/access/admission/admission.ts'
import { YamlThread } from '../../src/api/codec/yaml-thread.ts'
import { tableKind } from '../../src/api/kinds/table-kind.ts'
import { metaType } from '../../src/api/schema/meta-types.ts'
import { StatusError } from '../../src/api/status-error.ts'
import type { RequestContext } from '../../src/http/request-context.ts'
import { writeStatusError } from '../../src/http/write-status.ts'
import { FakeClock } from '../../src/lib/fake-clock.ts'
import { noopLogger } from '../../src/observability/logger.ts'
import { MetricsRegistry } from '../../src/observability/metrics-registry.ts'
import type { Strategy } from '../../src/registry/strategy.ts'
import { delegateChain } from '../../src/servers/generic/delegate-chain.ts'
import type { Delegate } from '../../src/servers/generic/delegate.ts'
import { ResourceServer } from '../../src/servers/generic/resource-server.ts'
import type { PublishedGroupVersion, StoreSpec, StoredResource } from '../../src/servers/generic/served-resource.ts'
import { MemoryStorage } from '../../src/storage/memory/memory-storage.ts'
import { type FakeExchange, fakeRequest } from './fake-exchange.ts'
import { THING_FORM, THING_SHAPES, THING_TYPES } from './things.ts'

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const plain: Strategy = {
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: true,
  prepare: () => {},
  validate: () => [],
}
export const THING_STORE: StoreSpec = thingStore('things')

export function thingStore(resource: string): StoreSpec {
  return {
    prefix: `/registry/${resource}`,
    form: THING_FORM,
    storedAs: 'json',
    resource: { group: 'test', resource },
    selectableFields: ['metadata.name', 'metadata.namespace'],
    fieldOf: undefined,
  }
}
export function thingResource(o: Partial<StoredResource> = {}): StoredResource {
  const { resource } = (o.store ?? THING_STORE).resource
  return {
    is: 'stored',
    names: { resource, singular: 'thing' },
    namespaced: true,
    verbs: VERBS,
    form: THING_FORM,
    store: THING_STORE,
    conversion: undefined,
    selectableFields: ['metadata.name', 'metadata.namespace'],
    storedLabel: undefined,
    strategy: plain,
    columns: [
      { name: 'Name', type: 'string', format: 'name', priority: 0, description: 'Name.', cell: '.metadata.name' },
    ],
    storageVersionHash: undefined,
    ttlSeconds: undefined,
    coreFinalizers: false,
    subresources: [],
    ...o,
  }
}
export function thingGroup(resources: PublishedGroupVersion['resources'], version = 'v1'): PublishedGroupVersion {
  return { group: 'test', version, groupPriority: 1000, versionPriority: 15, resources }
}

export interface ThingServer extends AsyncDisposable {
  readonly server: ResourceServer
  readonly storage: MemoryStorage
  readonly metrics: MetricsRegistry
  readonly clock: FakeClock
  /** Answered, or, of a watch, begun. @param body JSON, unless it is bytes. */
  ask(method: string, target: string, o?: AskOptions): Promise<FakeExchange>
}
export interface AskOptions {
  readonly body?: object | string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  /** Called before the request is served. */
  readonly onContext?: (ctx: RequestContext) => void
}

export async function startThingServer(
  o: {
    readonly plugins?: readonly AdmissionPlugin[]
    readonly groups?: readonly PublishedGroupVersion[]
    /** Delegates that are asked after it. */
    readonly behind?: readonly Delegate[]
    readonly trackWatch?: (end: () => void) => () => void
  } = {},
): Promise<ThingServer> {
  const clock = new FakeClock()
  const metrics = new MetricsRegistry()
  const storage = new MemoryStorage({ clock })
  const yaml = new YamlThread(clock)
  const deleteOptions = tableKind({
    group: '',
    version: 'v1',
    kind: 'DeleteOptions',
    type: metaType('DeleteOptions'),
    types: THING_TYPES,
    shapes: THING_SHAPES,
  })
  const server = new ResourceServer({
    name: 'things',
    deleteOptions,
    yaml,
    storage,
    clock,
    log: noopLogger,
    metrics,
    admission: new AdmissionChain(o.plugins ?? []),
    minRequestTimeoutMs: 0,
    trackWatch: o.trackWatch ?? (() => () => {}),
    random: () => 0.5,
  })
  const chain = delegateChain([server, ...(o.behind ?? [])])
  await server.publish(o.groups ?? [thingGroup([thingResource()])])
  return {
    server,
    storage,
    metrics,
    clock,
    ask: async (method, target, { body, headers = {}, onContext } = {}) => {
      const bytes =
        body === undefined
          ? undefined
          : Buffer.from(typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body))
      const { ctx, exchange } = fakeRequest(
        {
          method,
          target,
          headers: { ...(bytes ? { 'content-type': 'application/json' } : {}), ...headers },
          ...(bytes ? { body: Readable.from([bytes]) } : {}),
        },
        clock,
      )
      ctx.user = { name: 'u', groups: [] }
      onContext?.(ctx)
      ctx.recover = (c, thrown) => writeStatusError(c, StatusError.from(thrown))
      try {
        await chain(ctx)
      } catch (thrown) {
        ctx.fail(thrown)
      }
      return exchange
    },
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]()
      await storage[Symbol.asyncDispose]()
      await yaml[Symbol.asyncDispose]()
    },
  }
}

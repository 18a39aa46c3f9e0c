/** The informers of the process, and where each gets its objects: from a watch cache here, or from the server that has them. */
import type { GroupVersionResource } from '../../api/group-version.ts'
import type { KubeObject } from '../../api/meta.ts'
import type { Client } from '../../client/client.ts'
import { Informers } from '../../client/informers.ts'
import type { ObjectRange, ObjectSource } from '../../client/object-source.ts'
import { Reflector } from '../../client/reflector.ts'
import type { Scope } from '../../endpoints/scope.ts'
import { untilAborted } from '../../lib/deferred.ts'
import { LocalSource } from '../../registry/local-source.ts'
import type { Delegate } from '../../servers/generic/delegate.ts'
import { ResourceServer } from '../../servers/generic/resource-server.ts'
import type { AppContext } from './app-context.ts'

export interface InformerParts {
  /** Sees what clients see. */
  readonly client: Client
  /** In the order requests are offered to them. Read when an informer starts: they are not all there before. */
  readonly delegates: readonly Delegate[]
  /** The core server and others of this process that stand beside it. */
  readonly local: readonly Delegate[]
  /** A resource of the core server that `--runtime-config` has switched off. */
  readonly isOff: (group: string, version: string, resource: string) => boolean
  /** Whether a server that is fronted gets the requests for a group before those. */
  readonly isFronted: (group: string) => boolean
}

export function wireInformers(context: AppContext, o: InformerParts): Informers {
  const { life, log, metrics } = context
  return life.own(
    new Informers({
      sourceOf: (resource, range) => ({
        run: (sink, signal) => sourceOf(context, o, resource, range).run(sink, signal),
      }),
      log,
      metrics,
    }),
  )
}

function sourceOf(
  { clock, log, onShared }: AppContext,
  o: InformerParts,
  resource: GroupVersionResource,
  range: ObjectRange,
): ObjectSource<KubeObject> {
  const scope = localScope(o, resource)
  const { group, version } = resource
  if (!scope && !o.isFronted(group) && o.isOff(group, version, resource.resource)) return NOTHING
  if (!scope) return new Reflector({ server: o.client.resource<KubeObject>(resource), range, clock, log })
  const view = (object: KubeObject): KubeObject => {
    const seen = scope.forms.view(object)
    onShared?.(seen)
    return seen
  }
  return new LocalSource({ resource: scope.resource, cache: scope.cache, view, range, clock, log })
}

/** The source of a resource that is served nowhere. */
const NOTHING: ObjectSource<KubeObject> = {
  run: (sink, signal) => {
    sink.replace([])
    return untilAborted(signal)
  },
}

function localScope({ delegates, local, isFronted }: InformerParts, r: GroupVersionResource): Scope | undefined {
  for (const delegate of delegates) {
    if (!(delegate instanceof ResourceServer) || (local.includes(delegate) && isFronted(r.group))) continue
    const scope = delegate.scope(r.group, r.version, r.resource)
    if (scope) return scope
  }
  return undefined
}

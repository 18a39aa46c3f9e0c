/** Everything the handlers of one resource, or of one of its subresources, need. Made once by the server. */
import type { KubeObject } from '../api/meta.ts'
import type { YamlThread } from '../api/codec/yaml-thread.ts'
import type { TypeTable } from '../api/schema/type-table.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { Clock } from '../lib/clock.ts'
import type { ListReader } from '../registry/list-reader.ts'
import type { Registry } from '../registry/registry.ts'
import type { Resource } from '../registry/resource.ts'
import type { Strategy } from '../registry/strategy.ts'
import type { WatchCache } from '../registry/watch-cache/watch-cache.ts'
import type { Column } from './table.ts'
import type { WatchMetrics } from './watch-metrics.ts'

/** Called with the object about to be stored (undefined for a delete of many). May refuse by throwing. */
export type Admission = (
  ctx: RequestContext,
  scope: Scope,
  operation: 'create' | 'update' | 'delete',
  object: KubeObject,
  old: KubeObject | undefined,
) => void | Promise<void>

export interface Scope {
  readonly resource: Resource
  readonly types: TypeTable
  readonly yaml: YamlThread
  readonly registry: Registry
  readonly cache: WatchCache<KubeObject>
  readonly reader: ListReader
  readonly columns: readonly Column[]
  /** Empty for the resource itself. */
  readonly subresource: string
  /** Of the subresource, where there is one. */
  readonly strategy: Strategy
  readonly admission: Admission
  readonly clock: Clock
  readonly random: () => number
  /** Watches without timeoutSeconds last once to twice as long. */
  readonly minRequestTimeoutMs: number
  /** Tells when a long-running request should end by itself: the server stops. */
  readonly trackWatch: (end: () => void) => () => void
  readonly watchMetrics: WatchMetrics
}

export function groupResourceOf(scope: Scope): { group: string; resource: string } {
  return { group: scope.resource.group, resource: scope.resource.resource }
}

/** Everything the handlers of one resource, or of one of its subresources, need. Made once by the server. */
import type { KubeObject } from '../api/meta.ts'
import type { YamlThread } from '../api/codec/yaml-thread.ts'
import type { AdmissionChain } from '../access/admission/admission.ts'
import type { KindVersion } from '../api/kinds/kind-version.ts'
import type { Clock } from '../lib/clock.ts'
import type { Managing } from '../registry/apply/managing.ts'
import type { ListReader } from '../registry/list-reader.ts'
import type { Registry } from '../registry/registry.ts'
import type { Resource } from '../registry/resource.ts'
import type { Strategy } from '../registry/strategy.ts'
import type { WatchCache } from '../registry/watch-cache/watch-cache.ts'
import type { LatestFrames } from './latest-frames.ts'
import type { ObjectForms } from './object-forms.ts'
import type { Column } from './table.ts'
import type { WatchMetrics } from './watch-metrics.ts'

export interface Scope {
  readonly resource: Resource
  /** How objects are seen, written and read in this version. */
  readonly forms: ObjectForms
  readonly managing: Managing
  readonly deleteOptions: KindVersion
  readonly frames: LatestFrames
  readonly yaml: YamlThread
  readonly registry: Registry
  readonly cache: WatchCache<KubeObject>
  readonly reader: ListReader
  readonly columns: readonly Column[]
  /** Empty for the resource itself. */
  readonly subresource: string
  /** That of the subresource, where the scope is of a subresource. */
  readonly strategy: Strategy
  readonly admission: AdmissionChain
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

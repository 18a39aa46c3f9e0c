/**
 * `/debug/apiservices/<name>/impact`: one request from "something hangs" to the APIService that is to blame, and whom
 * it holds up.
 */
import type { APIService } from '../../../api/apiservice.ts'
import type { KubeObject } from '../../../api/meta.ts'
import { formatTime } from '../../../api/time.ts'
import type { Lister } from '../../../client/object-store.ts'
import type { AvailabilityView } from '../registrations/availability-view.ts'
import type { DiscoveryManager, OnUnavailable } from '../discovery/discovery-manager.ts'

/** A namespace with the conditions of the server that deletes it, whichever that is. */
export interface NamespaceStatus extends KubeObject {
  status?: { phase?: string; conditions?: { type: string; status: string; reason?: string; message?: string }[] }
}
export interface ImpactFacts {
  readonly apiServices: Lister<APIService>
  readonly namespaces: Lister<NamespaceStatus>
  readonly view: AvailabilityView
  readonly discovery: Pick<DiscoveryManager, 'state'>
  readonly onUnavailable: (apiService: APIService) => OnUnavailable
  /** Ms since the epoch. */
  readonly now: () => number
}
export interface BlockedNamespace {
  readonly name: string
  readonly deletionTimestamp: string | undefined
  readonly reasons: readonly { readonly reason: string; readonly message: string }[]
}
export interface Impact {
  readonly apiService: string
  readonly available: 'True' | 'False' | 'Unknown'
  readonly reason?: string
  readonly message?: string
  /** Where the last probe failed. */
  readonly failingPhase?: string
  readonly discovery: {
    readonly onUnavailable: OnUnavailable
    readonly isCurrent: boolean
    readonly lastGoodTime?: string
    readonly lastGoodAgeSeconds?: number
  }
  readonly blockedNamespaces: readonly BlockedNamespace[]
}

/** @returns undefined where there is no such APIService. */
export function impactOf(name: string, o: ImpactFacts): Impact | undefined {
  const apiService = o.apiServices.get(name)
  if (!apiService) return undefined
  const { status = 'Unknown', reason, message } = o.view.current(apiService) ?? {}
  const failingPhase = status === 'True' ? undefined : o.view.failingPhase(apiService)
  const { goodAtMs, isCurrent } = o.discovery.state(name)
  const isLocal = reason === 'Local'
  return {
    apiService: name,
    available: status,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
    ...(failingPhase === undefined ? {} : { failingPhase }),
    discovery: {
      onUnavailable: o.onUnavailable(apiService),
      isCurrent: isCurrent || isLocal,
      ...(goodAtMs === undefined
        ? {}
        : { lastGoodTime: formatTime(goodAtMs), lastGoodAgeSeconds: Math.round((o.now() - goodAtMs) / 1000) }),
    },
    blockedNamespaces: o.namespaces.list().flatMap((n) => blockedBy(apiService, n)),
  }
}

const FAILURES = new Set(['NamespaceDeletionDiscoveryFailure', 'NamespaceDeletionContentFailure'])

function blockedBy({ spec }: APIService, { metadata, status }: NamespaceStatus): BlockedNamespace[] {
  const { group = '', version = '' } = spec
  if (metadata.deletionTimestamp === undefined || group === '') return []
  const names = wordPattern(`${group}/${version}`, group)
  const reasons = (status?.conditions ?? [])
    .filter((c) => FAILURES.has(c.type) && c.status === 'True' && names.test(c.message ?? ''))
    .map(({ reason = '', message = '' }) => ({ reason, message }))
  if (reasons.length === 0) return []
  return [{ name: metadata.name!, deletionTimestamp: metadata.deletionTimestamp, reasons }]
}

/** `g/v` in a discovery failure; `resource.g` in a content failure, not `resource.x.g` of another group. */
function wordPattern(groupVersion: string, group: string): RegExp {
  const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')
  return new RegExp(
    `(?:^|[\\s,:[])(?:${escaped(groupVersion)}|[a-z0-9-]+\\.${escaped(group)}|${escaped(group)})(?:$|[\\s,:\\]])`,
  )
}

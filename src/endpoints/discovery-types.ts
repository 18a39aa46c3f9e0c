/** What a server offers, in the shape of apidiscovery.k8s.io/v2: the other forms are made from it. */
export interface SubresourceDiscovery {
  readonly subresource: string
  readonly responseKind?: { readonly group: string; readonly version: string; readonly kind: string }
  readonly acceptedTypes?: readonly { readonly group: string; readonly version: string; readonly kind: string }[]
  readonly verbs: readonly string[]
}
export interface ResourceDiscovery {
  readonly resource: string
  readonly responseKind: { readonly group: string; readonly version: string; readonly kind: string }
  readonly scope: 'Namespaced' | 'Cluster'
  readonly singularResource: string
  readonly verbs: readonly string[]
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  readonly subresources?: readonly SubresourceDiscovery[]
  /** Only in the legacy form. */
  readonly storageVersionHash?: string
}
export interface VersionDiscovery {
  readonly version: string
  readonly resources: readonly ResourceDiscovery[]
  readonly freshness: 'Current' | 'Stale'
  /** When the backend said so last, ms since the epoch; undefined: it is no backend's, or never said anything. */
  readonly goodAtMs?: number | undefined
  readonly groupPriority: number
  readonly versionPriority: number
}
export interface GroupDiscovery {
  readonly group: string
  readonly versions: readonly VersionDiscovery[]
}

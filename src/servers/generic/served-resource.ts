/** What a ResourceServer is told to serve. Made anew for each publish(); what is equal keeps its store. */
import type { Conversion, Converter } from '../../api/kinds/kind.ts'
import type { KindVersion } from '../../api/kinds/kind-version.ts'
import type { Connection } from '../../endpoints/connect.ts'
import type { VerbHandlers } from '../../endpoints/resource-handlers.ts'
import type { Column } from '../../endpoints/table.ts'
import type { Handler } from '../../http/filter.ts'
import type { Resource } from '../../registry/resource.ts'
import type { Strategy } from '../../registry/strategy.ts'

/** Where the objects of a resource are kept, in whatever versions and groups they are served. */
export interface StoreSpec {
  /** Below the storage's root: `/registry/services/specs`. */
  readonly prefix: string
  /** What its objects are held in: the hub, which is also what is stored, or, where a converter is, the served version. */
  readonly form: KindVersion
  /** Each version then has a store of its own, over the same keys. */
  readonly converted?: ConvertedStore
  /** Built-in kinds are stored as protobuf, APIServices and custom resources as JSON: kube-apiserver's layout. */
  readonly storedAs: 'protobuf' | 'json'
  /** As metrics name it. */
  readonly resource: { readonly group: string; readonly resource: string }
  readonly selectableFields: Resource['selectableFields']
  readonly fieldOf: Resource['fieldOf']
}

/** Objects that a converter takes from version to version. */
export interface ConvertedStore {
  readonly converter: Converter
  /** What is written. */
  readonly stored: KindVersion
  /** All that are served, by apiVersion. */
  readonly versions: ReadonlyMap<string, KindVersion>
}

interface Served {
  readonly names: ServedNames
  readonly namespaced: boolean
  readonly verbs: readonly string[]
  /** The form of this version. */
  readonly form: KindVersion
  readonly subresources: readonly Subresource[]
  /** A warning with each answer. */
  readonly deprecation?: string | undefined
}
export interface ServedNames {
  readonly resource: string
  readonly singular: string
  readonly shortNames?: readonly string[] | undefined
  readonly categories?: readonly string[] | undefined
}
/** A resource whose objects are kept. */
export interface StoredResource extends Served {
  readonly is: 'stored'
  /** One object for all versions of one store: by it they find the same one. */
  readonly store: StoreSpec
  /** undefined: this version is the hub. */
  readonly conversion: Conversion | undefined
  /** Field labels that selectors may name in this version. */
  readonly selectableFields: readonly string[]
  /** A field label of this version -> the store's. undefined: they are the same. */
  readonly storedLabel: ((label: string) => string) | undefined
  readonly strategy: Strategy
  readonly columns: readonly Column[]
  readonly storageVersionHash: string | undefined
  /** Objects vanish this long after their last write. */
  readonly ttlSeconds: number | undefined
  readonly coreFinalizers: boolean
}
/** A resource that is only ever asked, such as a TokenReview. */
export interface AskedResource extends Served {
  readonly is: 'asked'
  readonly create: Handler
}
export type ServedResource = StoredResource | AskedResource

export type Subresource = ViewSubresource | ObjectSubresource | ConnectSubresource
/** The resource's own object, of which a part is taken: status, finalize, approval. */
export interface ViewSubresource {
  readonly is: 'view'
  readonly name: string
  readonly verbs: readonly string[]
  readonly strategy: Strategy
}
/** A kind and handlers of its own: scale, eviction, binding, token, log. */
export interface ObjectSubresource {
  readonly is: 'object'
  readonly name: string
  readonly verbs: readonly string[]
  readonly of: KindVersion
  readonly handlers: VerbHandlers
}
/** A connection to something else: exec, attach, portforward, proxy. */
export interface ConnectSubresource extends Connection {
  readonly is: 'connect'
  readonly name: string
  /** HTTP methods. */
  readonly methods: readonly string[]
}

export interface PublishedGroupVersion {
  readonly group: string
  readonly version: string
  readonly groupPriority: number
  readonly versionPriority: number
  readonly resources: readonly ServedResource[]
}

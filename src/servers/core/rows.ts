/** The rows of tables/index.json: what is served of each built-in group version, and how it is shown. */

export interface SubresourceTable {
  readonly name: string
  readonly verbs: readonly string[]
  readonly kind: string
  /** The group and version of the kind, where they are not those of the parent. */
  readonly group?: string
  readonly version?: string
}
export interface ColumnTable {
  readonly name: string
  readonly type: string
  readonly format: string
  readonly priority: number
  readonly description: string
  /** `age`, a JSON path that starts with a dot, or the name of a rule with its arguments: `count(data)`. */
  readonly cell: string
}
export interface ResourceTable {
  readonly resource: string
  readonly singular: string
  readonly kind: string
  readonly namespaced: boolean
  readonly verbs: readonly string[]
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  readonly subresources?: readonly SubresourceTable[]
  /** Key prefix below the storage's root, such as `/services/specs`. Absent: nothing is stored. */
  readonly storagePrefix?: string
  /** The hub: `v1`, `autoscaling/v2`. */
  readonly storageVersion?: string
  readonly storageVersionHash?: string
  readonly selectableFields?: readonly string[]
  readonly allowCreateOnUpdate?: boolean
  readonly allowUnconditionalUpdate?: boolean
  /** The field whose changes metadata.generation counts. Absent: there is no generation. */
  readonly generationOf?: string
  /** What clients of this version are warned of: `v1 Endpoints is deprecated in v1.33+; use ...`. */
  readonly deprecation?: string
  readonly columns: readonly ColumnTable[]
}
/** What index.json says of a group version. */
export interface GroupVersionRows {
  readonly group: string
  readonly version: string
  /** The package of the Go types, as references between tables name it. */
  readonly package: string
  readonly groupPriorityMinimum: number
  readonly versionPriority: number
  readonly resources: readonly ResourceTable[]
}

/**
 * The tables of the built-in API groups. A group's file is read on the first use of one of its kinds.
 *
 * Owns:    the compiled tables, kept for good once loaded (a few hundred KB for all groups together).
 * Callers: app/run/wire.ts makes one; the core server, discovery, OpenAPI and the codecs read it.
 */
import { metaTypes, readTable } from '../../api/schema/meta-types.ts'
import { CompiledTypes, type ObjectType, type TableFile, type TypeTable } from '../../api/schema/type-table.ts'

export interface SubresourceTable {
  readonly name: string
  readonly verbs: readonly string[]
  readonly kind: string
  /** Of the kind, where they are not those of the parent. */
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
  readonly storageVersion?: string
  readonly storageVersionHash?: string
  readonly selectableFields?: readonly string[]
  readonly allowCreateOnUpdate?: boolean
  readonly allowUnconditionalUpdate?: boolean
  /** The field whose changes metadata.generation counts. Absent: there is no generation. */
  readonly generationOf?: string
  readonly columns: readonly ColumnTable[]
}
export interface GroupTableFile extends TableFile {
  readonly groupPriorityMinimum: number
  readonly versionPriority: number
  readonly resources: readonly ResourceTable[]
}
export interface GroupTable {
  readonly group: string
  readonly version: string
  readonly groupPriorityMinimum: number
  readonly versionPriority: number
  readonly resources: readonly ResourceTable[]
  readonly types: CompiledTypes
}

/** Package of the tables -> name of the API group, which is the file's name ('' is core.json). */
const GROUPS: ReadonlyMap<string, string> = new Map([
  ['core', ''],
  ['admissionregistration', 'admissionregistration.k8s.io'],
  ['apiregistration', 'apiregistration.k8s.io'],
  ['authentication', 'authentication.k8s.io'],
  ['authorization', 'authorization.k8s.io'],
  ['coordination', 'coordination.k8s.io'],
  ['discovery', 'discovery.k8s.io'],
  ['events', 'events.k8s.io'],
  ['flowcontrol', 'flowcontrol.apiserver.k8s.io'],
  ['gateway', 'gateway.portico.dev'],
])

export class CoreTables implements TypeTable {
  readonly #loaded = new Map<string, GroupTable>()

  /** The groups that have a table, core ('') first. */
  groups(): readonly string[] {
    return [...GROUPS.values()]
  }

  /** @returns undefined for a group that has no table. The first call reads the file. */
  group(name: string): GroupTable | undefined {
    const loaded = this.#loaded.get(name)
    if (loaded) return loaded
    if (![...GROUPS.values()].includes(name)) return undefined
    const url = new URL(`./tables/${name === '' ? 'core' : name}.json`, import.meta.url)
    const file = readTable<GroupTableFile>(url)
    const types = new CompiledTypes(file, (pkg, type) => this.#foreign(pkg, type))
    const { group, version, groupPriorityMinimum, versionPriority, resources } = file
    const table: GroupTable = { group, version, groupPriorityMinimum, versionPriority, resources, types }
    this.#loaded.set(name, table)
    return table
  }

  byKind(apiVersion: string, kind: string): ObjectType | undefined {
    const slash = apiVersion.indexOf('/')
    const table = this.group(slash === -1 ? '' : apiVersion.slice(0, slash))
    const found = table?.types.apiVersion === apiVersion ? table.types.type(kind) : undefined
    return found ?? metaTypes().byKind(apiVersion, kind)
  }

  byModel(model: string): ObjectType | undefined {
    const shared = metaTypes().byModel(model)
    if (shared) return shared
    const pkg = model.split('.').at(-3)
    const group = pkg === undefined ? undefined : GROUPS.get(pkg)
    return group === undefined ? undefined : this.group(group)?.types.byModel(model)
  }

  #foreign(pkg: string, type: string): ObjectType | undefined {
    if (pkg === 'meta') return metaTypes().byModel(`io.k8s.apimachinery.pkg.apis.meta.v1.${type}`)
    const group = GROUPS.get(pkg)
    return group === undefined ? undefined : this.group(group)?.types.type(type)
  }
}

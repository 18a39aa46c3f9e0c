/**
 * The tables of the built-in kinds: index.json says what is served and how it is shown, types/ how the types of each group
 * version stand in JSON and protobuf. Types are read on the first use of one of their kinds.
 *
 * Owns:    the compiled types, kept for good once loaded.
 * Callers: app/run/wire.ts makes one; servers make kinds by it; nothing in a request looks a type up by name.
 */
import { readFileSync } from 'node:fs'
import { formatGroupVersion } from '../../api/group-version.ts'
import type { KindVersion } from '../../api/kinds/kind-version.ts'
import { tableKind } from '../../api/kinds/table-kind.ts'
import { TableShapes } from '../../api/kinds/table-shapes.ts'
import { metaType, metaTypes, readTable } from '../../api/schema/meta-types.ts'
import { CompiledTypes, type ObjectType, type TypeTable } from '../../api/schema/type-table.ts'
import { builtinKind } from './kinds.ts'
import type { GroupVersionRows } from './rows.ts'

export class CoreTables implements TypeTable {
  readonly groupVersions: readonly GroupVersionRows[]
  readonly #loaded = new Map<string, CompiledTypes>()
  readonly #shapes = new TableShapes()
  readonly #kinds = new Map<string, KindVersion>()
  /** Package -> the group version that references from other tables mean. */
  readonly #packages = new Map<string, GroupVersionRows>()

  constructor() {
    const text = readFileSync(new URL('./tables/index.json', import.meta.url), 'utf8')
    this.groupVersions = (JSON.parse(text) as { groupVersions: GroupVersionRows[] }).groupVersions
    for (const gv of this.groupVersions) if (!this.#packages.has(gv.package)) this.#packages.set(gv.package, gv)
  }

  rows(group: string, version: string): GroupVersionRows | undefined {
    return this.groupVersions.find((gv) => gv.group === group && gv.version === version)
  }
  /** @returns undefined for a group version that has no table. The first call reads the file. */
  types(group: string, version: string): CompiledTypes | undefined {
    const id = `${group === '' ? 'core' : group}.${version}`
    const loaded = this.#loaded.get(id)
    if (loaded || !this.rows(group, version)) return loaded
    const file = readTable(new URL(`./tables/types/${id}.json`, import.meta.url))
    const types = new CompiledTypes(file, (pkg, type) => this.#foreign(pkg, type))
    this.#loaded.set(id, types)
    return types
  }
  /** The form of a kind; the same one each time. @throws Error for one that no table has: a programming error. */
  kindVersion(group: string, version: string, kind: string): KindVersion {
    const id = `${group}/${version}/${kind}`
    const known = this.#kinds.get(id)
    if (known) return known
    const type = this.types(group, version)?.type(kind)
    if (!type) throw new Error(`no table for ${kind} in ${formatGroupVersion({ group, version })}`)
    const { defaults } = builtinKind(group, kind, version)
    const made = tableKind({ group, version, kind, type, types: this, shapes: this.#shapes, defaults })
    this.#kinds.set(id, made)
    return made
  }
  /** The form of DeleteOptions, as every group takes them. No other kind is known where they are read. */
  get deleteOptions(): KindVersion {
    const type = metaType('DeleteOptions')
    return tableKind({
      group: '',
      version: 'v1',
      kind: 'DeleteOptions',
      type,
      types: metaTypes(),
      shapes: this.#shapes,
    })
  }

  byKind(apiVersion: string, kind: string): ObjectType | undefined {
    const slash = apiVersion.lastIndexOf('/')
    const types = this.types(apiVersion.slice(0, Math.max(slash, 0)), apiVersion.slice(slash + 1))
    return types?.type(kind) ?? metaTypes().byKind(apiVersion, kind)
  }
  byModel(model: string): ObjectType | undefined {
    const shared = metaTypes().byModel(model)
    if (shared) return shared
    const [pkg, version] = model.split('.').slice(-3)
    const gv = this.groupVersions.find((g) => g.package === pkg && g.version === version)
    return gv && this.types(gv.group, gv.version)?.byModel(model)
  }

  #foreign(pkg: string, type: string): ObjectType | undefined {
    if (pkg === 'meta') return metaTypes().byModel(`io.k8s.apimachinery.pkg.apis.meta.v1.${type}`)
    const gv = this.#packages.get(pkg)
    return gv && this.types(gv.group, gv.version)?.type(type)
  }
}

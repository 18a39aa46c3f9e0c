/**
 * The types of apimachinery that every API group shares (ObjectMeta, Status, WatchEvent ...), those of
 * discovery and of CustomResourceDefinitions. They are compiled once, when this module is loaded (about 20 KB of tables).
 */
import { readFileSync } from 'node:fs'
import { CompiledTypes, type ObjectType, type TableFile, type TypeTable } from './type-table.ts'

/** Reads a committed table; the files are the project's own and their form is trusted. */
export function readTable<T extends TableFile>(url: URL): T {
  return JSON.parse(readFileSync(url, 'utf8')) as T
}

const meta = new CompiledTypes(readTable(new URL('./tables/meta.json', import.meta.url)), () => undefined)
const discovery = new CompiledTypes(readTable(new URL('./tables/apidiscovery.json', import.meta.url)), (pkg, name) =>
  pkg === 'meta' ? meta.type(name) : undefined,
)

const apiextensions = new CompiledTypes(
  readTable(new URL('./tables/apiextensions.json', import.meta.url)),
  (pkg, name) => (pkg === 'meta' ? meta.type(name) : undefined),
)

/** Kinds that are served under the group version of whatever group is asked, besides meta.k8s.io/v1. */
const UNVERSIONED = new Set(['Status', 'APIVersions', 'APIGroupList', 'APIGroup', 'APIResourceList'])
const IN_EVERY_GROUP = new Set([
  'WatchEvent',
  'DeleteOptions',
  'CreateOptions',
  'UpdateOptions',
  'PatchOptions',
  'ListOptions',
])

const table: TypeTable = {
  byModel: (model) => meta.byModel(model) ?? discovery.byModel(model) ?? apiextensions.byModel(model),
  byKind(apiVersion, kind) {
    if (apiVersion === discovery.apiVersion) return discovery.type(kind)
    if (apiVersion === apiextensions.apiVersion && apiextensions.type(kind)) return apiextensions.type(kind)
    if (apiVersion === meta.apiVersion || IN_EVERY_GROUP.has(kind)) return meta.type(kind)
    return apiVersion === 'v1' && (UNVERSIONED.has(kind) || kind === 'List') ? meta.type(kind) : undefined
  },
}

/** @throws Error for a name that no table has: a programming error. */
export function metaType(name: string): ObjectType {
  const found = meta.type(name) ?? discovery.type(name)
  if (!found) throw new Error(`type ${name} is not in the meta table`)
  return found
}

/** The shared types alone: enough to read and write Status, DeleteOptions and discovery documents. */
export function metaTypes(): TypeTable {
  return table
}

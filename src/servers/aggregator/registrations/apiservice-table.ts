/**
 * The server of each group version: an immutable table, swapped as a whole. A request reads it once.
 */
import type { APIService } from '../../../api/apiservice.ts'
import { compareVersions } from '../../../api/group-version.ts'
import type { Published } from '../../../lib/published.ts'
import type { Backend } from '../backends/backend.ts'

export interface TableEntry {
  readonly apiService: APIService
  readonly group: string
  readonly version: string
  /** Undefined: a delegate of this process serves it. */
  readonly backend: Backend | undefined
}
export interface TableGroup {
  readonly group: string
  /** Best first. */
  readonly versions: readonly string[]
}

export class APIServiceTable {
  /** Groups in the order of `/apis`; the core group is not among them. */
  readonly groups: readonly TableGroup[]
  readonly #byGroupVersion = new Map<string, TableEntry>()
  readonly #byGroup = new Map<string, TableGroup>()

  constructor(entries: readonly TableEntry[]) {
    for (const entry of entries) this.#byGroupVersion.set(keyOf(entry.group, entry.version), entry)
    this.groups = sortedGroups(entries.filter((e) => e.group !== ''))
    for (const g of this.groups) this.#byGroup.set(g.group, g)
  }
  get(group: string, version: string): TableEntry | undefined {
    return this.#byGroupVersion.get(keyOf(group, version))
  }
  group(name: string): TableGroup | undefined {
    return this.#byGroup.get(name)
  }
  get entries(): Iterable<TableEntry> {
    return this.#byGroupVersion.values()
  }
}

/** Calls changed for each APIService that has another backend: another spec or policy makes one. */
export function onNewBackend(table: Published<APIServiceTable>, changed: (apiService: APIService) => void): void {
  const seen = new WeakSet<Backend>()
  table.subscribe(({ entries }) => {
    for (const { apiService, backend } of entries) {
      if (!backend || seen.has(backend)) continue
      seen.add(backend)
      changed(apiService)
    }
  })
}

const keyOf = (group: string, version: string): string => `${group}/${version}`

/** By the group priority of the best version, descending; ties by the name of that APIService, as kube-aggregator's. */
function sortedGroups(entries: readonly TableEntry[]): TableGroup[] {
  const byGroup = Map.groupBy(entries, (e) => e.group)
  const sorted = [...byGroup].map(([group, list]) => ({
    group,
    entries: list.toSorted(
      (a, b) =>
        b.apiService.spec.versionPriority - a.apiService.spec.versionPriority || compareVersions(a.version, b.version),
    ),
  }))
  sorted.sort((a, b) => {
    const [x, y] = [a.entries[0]!.apiService, b.entries[0]!.apiService]
    return y.spec.groupPriorityMinimum - x.spec.groupPriorityMinimum || (x.metadata.name! < y.metadata.name! ? -1 : 1)
  })
  return sorted.map((g) => ({ group: g.group, versions: g.entries.map((e) => e.version) }))
}

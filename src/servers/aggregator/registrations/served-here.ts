/**
 * Which group versions the servers behind the aggregator serve by themselves: what an APIService without a backend is about.
 *
 * Callers:  the aggregator's delegate leaves out of discovery what no server serves; availability-controller.ts says so.
 */
import { formatGroupVersion } from '../../../api/group-version.ts'
import type { Verdict } from './availability-check.ts'
import type { RegisteredServer } from './auto-registration.ts'

const LOCAL = { status: 'True', reason: 'Local', message: 'Local APIServices are always available' } as const

/** The verdict on an APIService without a backend. */
export function localVerdict(
  servedHere: Pick<ServedHere, 'isMissing'>,
  { group = '', version = '' }: { readonly group?: string; readonly version?: string },
): Verdict {
  if (!servedHere.isMissing(group, version)) return LOCAL
  const message = `no server here serves ${formatGroupVersion({ group, version })}, and spec.service names none`
  return { status: 'False', reason: 'LocalNotServed', message }
}

export class ServedHere {
  readonly #sources: readonly RegisteredServer[]
  #groupVersions: ReadonlySet<string> = new Set()

  constructor(sources: readonly RegisteredServer[]) {
    this.#sources = sources
    for (const { discovery } of sources) discovery.subscribe(() => this.#read())
    this.#read()
  }

  /** Whether no server has it; false, too, while one of them has not told yet what it serves. */
  isMissing(group: string, version: string): boolean {
    if (this.#groupVersions.has(formatGroupVersion({ group, version }))) return false
    return this.#sources.every((s) => s.installed.value)
  }
  /** Called after each change of what is served. */
  subscribe(changed: () => void): void {
    for (const { discovery, installed } of this.#sources) {
      discovery.subscribe(changed)
      installed.subscribe(changed)
    }
  }

  #read(): void {
    const groups = this.#sources.flatMap((s) => s.discovery.value)
    this.#groupVersions = new Set(
      groups.flatMap(({ group, versions }) => versions.map(({ version }) => formatGroupVersion({ group, version }))),
    )
  }
}

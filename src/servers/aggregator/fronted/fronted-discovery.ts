/**
 * What a fronted server offers, asked for every few seconds and kept: discovery is never answered by asking it.
 *
 * Owns:     the last good documents. While the server is away they stay, and are marked Stale after a while.
 * Callers:  fronted-delegate.ts.
 */
import { pathOf } from '../../../api/group-version.ts'
import type { Transport } from '../../../client/transport.ts'
import { sortGroups } from '../../../endpoints/discovery.ts'
import type { GroupDiscovery, ResourceDiscovery, VersionDiscovery } from '../../../endpoints/discovery-types.ts'
import type { Clock } from '../../../lib/clock.ts'
import { Publisher } from '../../../lib/published.ts'
import { ACCEPT_V2, isAggregated, readAll } from '../discovery/discovery-downloads.ts'
import { readAggregated, readGroupVersions, readResourceList, readStale } from '../discovery/read-discovery.ts'
import { groupPriority, versionPriority } from './fronted-groups.ts'

const STALE_AFTER_MS = 30_000
/** One that is lost is no outage. */
const FAILURES_OF_AN_OUTAGE = 3
/** How many documents of a server without aggregated discovery are asked for at once. */
const LEGACY_AT_ONCE = 8

type Versions = ReadonlyMap<string, readonly ResourceDiscovery[]>
interface KnownRoot {
  readonly etag: string | undefined
  readonly versions: Versions
  /** Those whose own server is away. */
  readonly stale: ReadonlySet<string>
}

export class FrontedDiscovery {
  readonly groups = new Publisher<readonly GroupDiscovery[]>([])
  readonly #o: { readonly transport: Transport; readonly clock: Clock; readonly serves: (group: string) => boolean }
  #known = new Map<string, KnownRoot>()
  #text = ''
  #answeredMs: number | undefined
  #failures = FAILURES_OF_AN_OUTAGE
  #problem = 'not asked yet'

  constructor(o: {
    readonly transport: Transport
    readonly clock: Clock
    /** Whether requests for a group go to this server. */
    readonly serves: (group: string) => boolean
  }) {
    this.#o = o
  }
  /** Everything it offers was known once. */
  get isKnown(): boolean {
    return this.#answeredMs !== undefined
  }
  get isFailing(): boolean {
    return this.#failures > 0
  }
  /** For readyz: undefined while the server answers. */
  get problem(): string | undefined {
    return this.#failures < FAILURES_OF_AN_OUTAGE ? undefined : this.#problem
  }
  get #sinceMs(): number {
    return this.#answeredMs === undefined ? Number.POSITIVE_INFINITY : this.#o.clock.monotonicMs() - this.#answeredMs
  }

  /** @throws what went wrong; what was known stays. */
  async refresh(signal: AbortSignal): Promise<void> {
    try {
      const [core, groups] = await Promise.all([this.#root('/api', signal), this.#root('/apis', signal)])
      this.#known = new Map([
        ['/api', core],
        ['/apis', groups],
      ])
      this.#answeredMs = this.#o.clock.monotonicMs()
      this.#failures = 0
      this.#publish('Current')
    } catch (e) {
      this.#failures++
      this.#problem = `discovery failed: ${(e as Error).message}`
      if (this.isKnown && this.#sinceMs > STALE_AFTER_MS) this.#publish('Stale')
      throw e
    }
  }

  async #root(path: '/api' | '/apis', signal: AbortSignal): Promise<KnownRoot> {
    const known = this.#known.get(path)
    const etag = known?.etag
    const headers = {
      accept: `${ACCEPT_V2}, application/json`,
      ...(etag === undefined ? {} : { 'if-none-match': etag }),
    }
    const response = await this.#o.transport({ method: 'GET', path, headers, signal })
    const body = await readAll(response)
    if (response.status === 304 && known) return known
    if (response.status !== 200) throw new Error(`${path}: bad status ${response.status}`)
    if (isAggregated(response.headers['content-type']))
      return { etag: response.headers['etag'], versions: readAggregated(body), stale: readStale(body) }
    return { etag: undefined, ...(await this.#legacy(readGroupVersions(body), signal)) }
  }

  async #legacy(
    groupVersions: readonly { group: string; version: string }[],
    signal: AbortSignal,
  ): Promise<Omit<KnownRoot, 'etag'>> {
    const found = new Map<string, readonly ResourceDiscovery[]>(
      groupVersions.map((gv) => [`${gv.group}/${gv.version}`, []]),
    )
    const stale = new Set<string>()
    const queue = groupVersions.filter((gv) => this.#o.serves(gv.group)).values()
    const worker = async (): Promise<void> => {
      for (const { group, version } of queue) {
        const path = pathOf({ group, version })
        const response = await this.#o.transport({
          method: 'GET',
          path,
          headers: { accept: 'application/json' },
          signal,
        })
        const body = await readAll(response)
        // One group whose own server is away hides no other.
        if (response.status === 200) found.set(`${group}/${version}`, readResourceList(body, group, version).resources)
        else stale.add(`${group}/${version}`)
      }
    }
    await Promise.all(Array.from({ length: LEGACY_AT_ONCE }, worker))
    return { versions: found, stale }
  }

  #publish(freshness: VersionDiscovery['freshness']): void {
    const groups = new Map<string, VersionDiscovery[]>()
    for (const { versions, stale } of this.#known.values()) {
      for (const [groupVersion, resources] of versions) {
        const slash = groupVersion.lastIndexOf('/')
        const [group, version] = [groupVersion.slice(0, slash), groupVersion.slice(slash + 1)]
        if (!this.#o.serves(group)) continue
        const list = groups.get(group) ?? []
        groups.set(group, list)
        const priorities = { groupPriority: groupPriority(group), versionPriority: versionPriority(list.length) }
        list.push({ version, resources, freshness: stale.has(groupVersion) ? 'Stale' : freshness, ...priorities })
      }
    }
    const next = sortGroups([...groups].map(([group, versions]) => ({ group, versions })))
    const text = JSON.stringify(next)
    if (text === this.#text) return
    this.#text = text
    this.groups.publish(next)
  }
}

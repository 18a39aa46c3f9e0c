/**
 * The last good discovery document of each remote group version, in a file: after a restart backends that are down are
 * listed as before. Each replica keeps its own.
 *
 * Owns:     the file: a line of its format, then one line of JSON per APIService. Replaced by atomic rename.
 * Callers:  discovery-manager.ts reads it once at the start and tells of changes.
 *
 * A file that cannot be read, or of another format, is as good as none; so are names that no longer are registered.
 */
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ResourceDiscovery } from '../../../endpoints/discovery-types.ts'
import type { Cancel, Clock } from '../../../lib/clock.ts'
import { nextTurn } from '../../../lib/next-turn.ts'
import type { Logger } from '../../../observability/logger.ts'
import { readResources } from './read-discovery.ts'

const FORMAT = '{"kind":"portico-discovery-cache","format":1}'
/** Changes are gathered: at the start they come one by one. */
const WRITE_AFTER_MS = 2000
/** How old the times in the file may get while nothing else changes. */
const RENEW_AFTER_MS = 600_000
const MAX_BYTES = 64 * 1024 * 1024

export interface CachedDiscovery {
  /** The name of the APIService. */
  readonly name: string
  readonly group: string
  readonly version: string
  /** Ms since the epoch, when the backend last said so. */
  readonly goodAtMs: number
  readonly resources: readonly ResourceDiscovery[]
}
export interface DiscoveryCacheOptions {
  /** Undefined: nothing is kept. */
  readonly path: string | undefined
  readonly clock: Clock
  readonly log: Logger
  readonly maxBytes?: number
}

export class DiscoveryCache implements AsyncDisposable {
  readonly #o: DiscoveryCacheOptions
  #content: () => Iterable<CachedDiscovery> = () => []
  #timer: { readonly dueMs: number; readonly cancel: Cancel } | undefined
  #writing: Promise<void> | undefined

  constructor(o: DiscoveryCacheOptions) {
    this.#o = o
  }

  /** Never rejects. By name of the APIService. */
  async load(): Promise<ReadonlyMap<string, CachedDiscovery>> {
    const { path, log } = this.#o
    if (path === undefined) return new Map()
    try {
      const [format, ...lines] = (await readFile(path, 'utf8')).trimEnd().split('\n')
      if (format !== FORMAT) throw new TypeError('the file is of another format')
      return new Map(lines.map((line) => entryOf(JSON.parse(line))).map((entry) => [entry.name, entry]))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        log.warn('the discovery cache cannot be read and is left out', { path, error })
      return new Map()
    }
  }

  /**
   * Something is other than in the file; where that is a time only, it may wait for longer.
   * @param content read when the file is written.
   */
  change(content: () => Iterable<CachedDiscovery>, o: { onlyTimes: boolean }): void {
    this.#content = content
    if (this.#o.path === undefined) return
    const afterMs = o.onlyTimes ? RENEW_AFTER_MS : WRITE_AFTER_MS
    const dueMs = this.#o.clock.monotonicMs() + afterMs
    if (this.#timer && this.#timer.dueMs <= dueMs) return
    this.#timer?.cancel()
    this.#timer = { dueMs, cancel: this.#o.clock.after(afterMs, () => void this.#flush()) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flush()
  }

  /** One write at a time; a change meanwhile is written after it. */
  async #flush(): Promise<void> {
    await this.#writing
    const { path, log } = this.#o
    if (path === undefined || !this.#timer) return
    this.#timer.cancel()
    this.#timer = undefined
    this.#writing = this.#write(path).catch((error: unknown) =>
      log.warn('the discovery cache cannot be written', { path, error }),
    )
    await this.#writing
  }

  async #write(path: string): Promise<void> {
    const { maxBytes = MAX_BYTES, log } = this.#o
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const file = await open(`${path}.next`, 'w', 0o600)
    try {
      let size = 0
      await file.write(`${FORMAT}\n`)
      for (const entry of this.#content()) {
        const line = Buffer.from(`${JSON.stringify(entry)}\n`)
        if (size + line.byteLength > maxBytes) {
          log.warn('the discovery cache is full: an APIService is left out', { path, apiService: entry.name })
          continue
        }
        size += line.byteLength
        await file.write(line)
        // No list of resources holds the others up.
        await nextTurn()
      }
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(`${path}.next`, path)
  }
}

/** @throws TypeError */
function entryOf(value: unknown): CachedDiscovery {
  const { name, group, version, goodAtMs, resources } = value as Partial<CachedDiscovery>
  if (typeof name !== 'string' || typeof group !== 'string' || typeof version !== 'string')
    throw new TypeError('an entry without a name')
  if (typeof goodAtMs !== 'number') throw new TypeError('an entry without a time')
  return { name, group, version, goodAtMs, resources: readResources(resources) }
}

/**
 * Gets and lists by the rules of resourceVersion: from the watch cache wherever it can prove what was asked for,
 * from the storage else.
 *
 * Callers:  endpoints/get.ts and endpoints/list.ts.
 * Not here: watches (watch-cache/), parsing of options (endpoints/list-options.ts).
 */
import { cut } from '../api/field-error.ts'
import type { KubeObject } from '../api/meta.ts'
import {
  StatusError,
  badRequest,
  expired,
  notFound,
  tooLargeResourceVersion,
  tooManyRequests,
} from '../api/status-error.ts'
import { type Revision, type Storage, StorageError, type StoredValue } from '../storage/storage.ts'
import { continueExpired, decodeContinue, encodeContinue } from './continue-token.ts'
import { keyOf, listPrefix } from './keys.ts'
import type { Resource } from './resource.ts'
import { fromStorageError } from './storage-errors.ts'
import { CacheItem, type Decode, type Predicate, Undecodable } from './watch-cache/cache-item.ts'
import { WatchCacheError } from './watch-cache/watch-cache-error.ts'
import type { WatchCache } from './watch-cache/watch-cache.ts'

export type Item = CacheItem<KubeObject>
export interface ListRequest {
  readonly namespace: string
  readonly matches: Predicate<KubeObject> | undefined
  readonly resourceVersion: string
  readonly resourceVersionMatch: string
  /** 0: no limit. */
  readonly limit: number
  readonly continue: string
  readonly signal?: AbortSignal
}
export interface ListAnswer {
  readonly items: readonly Item[]
  readonly revision: Revision
  readonly continue: string
  /** Undefined where it is not known (selectors) or nothing is left. */
  readonly remaining: number | undefined
}

const PAGE = 500
const MAX_PAGE = 10_000

export class ListReader {
  readonly #resource: Resource
  readonly #storage: Storage
  readonly #cache: WatchCache<KubeObject>
  readonly #decode: Decode<KubeObject>
  readonly #gr: { group: string; resource: string }

  constructor(o: {
    resource: Resource
    storage: Storage
    cache: WatchCache<KubeObject>
    decode: Decode<KubeObject>
  }) {
    this.#resource = o.resource
    this.#storage = o.storage
    this.#cache = o.cache
    this.#decode = o.decode
    this.#gr = { group: o.resource.group, resource: o.resource.resource }
  }

  /** @throws StatusError 404, 504. */
  async get(namespace: string, name: string, resourceVersion: string): Promise<Item> {
    const key = keyOf(this.#resource, namespace, name)
    const item = await this.#translate('get', () => this.#getItem(key, resourceVersion))
    if (!item) throw notFound(this.#gr, name)
    return item
  }

  async #getItem(key: string, resourceVersion: string): Promise<Item | undefined> {
    if (resourceVersion !== '') {
      if (resourceVersion === '0' && !this.#cache.isReady) await this.#cache.reach(0)
      return (await this.#cache.get(key, { minRevision: parseRevision(resourceVersion, 'get') })).item
    }
    if (this.#cache.provesFreshness) {
      await this.#cache.reachCurrent()
      const cached = this.#cache.peek(key)
      // An item the cache could not decode is missing from it: the storage tells the two apart.
      if (cached) return cached
    }
    const { item } = await this.#storage.get(key)
    return item && (await this.#itemsOf([item]))[0]
  }

  /** @throws StatusError 400, 410, 504. */
  async list(o: ListRequest): Promise<ListAnswer> {
    const prefix = listPrefix(this.#resource, o.namespace)
    if (o.continue !== '') return this.#translate('list', () => this.#resume(prefix, o))
    return this.#translate('list', () => this.#first(prefix, o))
  }

  async #first(prefix: string, o: ListRequest): Promise<ListAnswer> {
    const wanted = o.resourceVersion === '' ? undefined : parseRevision(o.resourceVersion, 'list')
    if (wanted === undefined) {
      if (!this.#cache.provesFreshness) return this.#fromStorage(prefix, o, {})
      await this.#cache.reachCurrent(o.signal)
      return this.#fromCache(prefix, o, {})
    }
    const exact = o.resourceVersionMatch === 'Exact' || (o.resourceVersionMatch === '' && o.limit > 0 && wanted > 0)
    if (exact) return this.#exact(prefix, o, wanted, undefined)
    // Any state will do, so the cache's whole one does: the limit is not looked at.
    const unlimited = wanted === 0 && o.resourceVersionMatch === '' ? { ...o, limit: 0 } : o
    return this.#fromCache(prefix, unlimited, { minRevision: wanted })
  }

  async #resume(prefix: string, o: ListRequest): Promise<ListAnswer> {
    if (o.resourceVersion !== '' && o.resourceVersion !== '0')
      throw badRequest('specifying resource version is not allowed when using continue')
    const token = decodeContinue(o.continue, prefix)
    if (token.revision <= 0) return this.#fromStorage(prefix, o, { after: token.after })
    try {
      return await this.#exact(prefix, o, token.revision, token.after)
    } catch (e) {
      if (e instanceof StorageError && e.code === 'compacted') throw continueExpired(token.after, prefix)
      throw e
    }
  }

  async #exact(prefix: string, o: ListRequest, revision: Revision, after: string | undefined): Promise<ListAnswer> {
    const place = after === undefined ? {} : { after }
    try {
      return await this.#fromCache(prefix, o, { exact: revision, ...place })
    } catch (e) {
      if (!(e instanceof WatchCacheError) || e.code !== 'too-old') throw e
      return this.#fromStorage(prefix, o, { at: revision, ...place })
    }
  }

  async #fromCache(
    prefix: string,
    o: ListRequest,
    at: { minRevision?: Revision; exact?: Revision; after?: string },
  ): Promise<ListAnswer> {
    const page = await this.#cache.list(prefix, {
      ...at,
      ...(o.limit > 0 ? { limit: o.limit } : {}),
      ...(o.matches ? { matches: o.matches } : {}),
      ...(o.signal ? { signal: o.signal } : {}),
    })
    return answer(prefix, page.items, page.revision, page.more, o.matches ? undefined : page.remaining)
  }

  /** Pages grow until enough items match: a rare match costs few round trips. */
  async #fromStorage(prefix: string, o: ListRequest, from: { at?: Revision; after?: string }): Promise<ListAnswer> {
    const items: Item[] = []
    let { at, after } = from
    let size = o.limit > 0 ? o.limit : PAGE
    for (;;) {
      const page = await this.#storage.list(prefix, {
        limit: size,
        count: o.limit > 0 && !o.matches,
        ...(at === undefined ? {} : { at }),
        ...(after === undefined ? {} : { after }),
      })
      at ??= page.revision
      for (const [i, item] of (await this.#itemsOf(page.items)).entries()) {
        after = item.key
        if (o.matches && !o.matches(item)) continue
        items.push(item)
        if (items.length !== o.limit) continue
        const left = page.items.length - 1 - i
        const remaining = page.remaining === undefined ? undefined : left + page.remaining
        return answer(prefix, items, at, left > 0 || page.more, remaining)
      }
      if (!page.more) return answer(prefix, items, at, false, undefined)
      size = Math.min(size * 2, MAX_PAGE)
    }
  }

  /** @throws what made the first of them undecodable. */
  async #itemsOf(values: readonly StoredValue[]): Promise<Item[]> {
    const outcomes = await this.#decode(values)
    return values.map(({ key, revision }, i) => {
      const outcome = outcomes[i]!
      if (outcome instanceof Undecodable) throw outcome.error
      return new CacheItem(key, revision, outcome)
    })
  }

  async #translate<T>(operation: string, fn: () => Promise<T>): Promise<T> {
    try {
      return await fn()
    } catch (e) {
      throw fromWatchCacheError(fromStorageError(e, this.#gr, operation))
    }
  }
}

function answer(
  prefix: string,
  items: readonly Item[],
  revision: Revision,
  more: boolean,
  remaining: number | undefined,
): ListAnswer {
  const last = items.at(-1)
  if (!more || !last) return { items, revision, continue: '', remaining: undefined }
  return { items, revision, continue: encodeContinue(revision, last.key.slice(prefix.length)), remaining }
}

/** What a client is told when the cache cannot serve. Anything else is returned as it is. */
export function fromWatchCacheError(thrown: unknown): unknown {
  if (!(thrown instanceof WatchCacheError)) return thrown
  if (thrown.code === 'too-large') return tooLargeResourceVersion(thrown.requested, thrown.available)
  if (thrown.code === 'too-old') return expired(thrown.message)
  return tooManyRequests(thrown.message, thrown.retryAfterSeconds)
}

/** @throws StatusError 400 for lists, 500 for the others: as kube-apiserver words it. */
export function parseRevision(text: string, operation: 'get' | 'list' | 'watch'): Revision {
  const digits = /^\d+$/.test(text)
  if (digits && (text.length < MAX_UINT64.length || isUint64(text))) return Number(text)
  const shown = JSON.stringify(cut(text))
  const problem = digits ? 'value out of range' : 'invalid syntax'
  const why = `Invalid value: ${shown}: strconv.ParseUint: parsing ${shown}: ${problem}`
  if (operation === 'list') throw badRequest(`invalid resource version: resourceVersion: ${why}`)
  throw new StatusError(500, '', `resourceVersion: ${why}`)
}

const MAX_UINT64 = String(2n ** 64n - 1n)
function isUint64(digits: string): boolean {
  const significant = digits.replace(/^0+/, '')
  return (
    significant.length < MAX_UINT64.length || (significant.length === MAX_UINT64.length && significant <= MAX_UINT64)
  )
}

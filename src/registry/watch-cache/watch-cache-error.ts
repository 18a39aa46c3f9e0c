import type { Revision } from '../../storage/storage.ts'

/**
 * too-large: the cache did not reach the revision in time. too-old: history no longer goes back that far.
 * not-ready: the first list is not done.
 */
export type WatchCacheErrorCode = 'too-large' | 'too-old' | 'not-ready'

export class WatchCacheError extends Error {
  override readonly name = 'WatchCacheError'
  readonly code: WatchCacheErrorCode
  readonly requested: Revision
  /** too-large: the cache's revision. too-old: the oldest one that a watch may start after. */
  readonly available: Revision
  /** not-ready: when to ask again, in seconds from 1 to 30; else 1. */
  readonly retryAfterSeconds: number

  constructor(
    code: WatchCacheErrorCode,
    message: string,
    o: { requested?: Revision; available?: Revision; retryAfterSeconds?: number } = {},
  ) {
    super(message)
    this.code = code
    this.requested = o.requested ?? 0
    this.available = o.available ?? 0
    this.retryAfterSeconds = o.retryAfterSeconds ?? 1
  }
}

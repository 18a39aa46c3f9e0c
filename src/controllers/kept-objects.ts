/**
 * Objects that every server has: made at the start, and looked after every minute.
 *
 * Callers:  system-namespaces.ts and flow-control-objects.ts say which, and what looking after them means.
 */
import { StatusError } from '../api/status-error.ts'
import { type Clock, sleep } from '../lib/clock.ts'
import type { Logger } from '../observability/logger.ts'

const EVERY_MS = 60_000
const RETRY_MS = 1000

export interface KeptObjects {
  /** `system namespaces`, for the log. */
  readonly what: string
  /** Makes the objects that are missing. @throws Error where an object could not be made. */
  ensure(signal: AbortSignal): Promise<unknown>
}

/** Resolves when all are there; looks again until the signal is aborted. */
export async function keepObjects(
  objects: KeptObjects,
  o: { readonly clock: Clock; readonly log: Logger },
  signal: AbortSignal,
): Promise<void> {
  const keep = async (): Promise<void> => {
    for (;;) {
      await sleep(o.clock, EVERY_MS, signal)
      await objects
        .ensure(signal)
        .catch((error: unknown) => o.log.warn(`${objects.what} could not be checked`, { error }))
    }
  }
  for (let made = false; !made; ) {
    try {
      await objects.ensure(signal)
      made = true
    } catch (error) {
      // The storage may be busy with an election: no reason to end the server.
      o.log.warn(`${objects.what} could not be made yet`, { error })
      await sleep(o.clock, RETRY_MS, signal)
    }
  }
  keep().catch(() => {}) // aborted
}

/** @returns undefined where the answer is the given code: the object is not there, or there already. */
export function unlessCode<T>(code: number): (thrown: unknown) => T | undefined {
  return (thrown) => {
    if (thrown instanceof StatusError && thrown.code === code) return undefined
    throw thrown
  }
}

/**
 * Runs a reconciler over the keys of a work queue, for controller-manager.ts. One key is never worked on twice at once; a key that fails backs
 * off on its own and holds up no other.
 */
import { untilAborted } from '../lib/deferred.ts'
import type { Logger } from '../observability/logger.ts'
import type { WorkQueue } from './work-queue.ts'

export type ReconcileResult = { readonly kind: 'done' } | { readonly kind: 'requeue'; readonly afterMs: number }
export interface Reconciler {
  /** @throws TerminalError where retrying cannot help; anything else is retried with back-off. */
  reconcile(key: string, signal: AbortSignal): Promise<ReconcileResult>
  /** Its work begins, once or each time a Lease is gained: it adds the keys that were not taken before. */
  termBegins?(): void
}
export type Outcome = 'done' | 'requeued' | 'failed'
export const DONE: ReconcileResult = { kind: 'done' }

/** Retrying cannot help until something changes, which adds the key again. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError'
}

export interface ControllerOptions {
  readonly name: string
  readonly reconciler: Reconciler
  readonly queue: WorkQueue
  readonly log: Logger
  /** Keys at once. Default 1. */
  readonly workers?: number
  readonly counted?: (outcome: Outcome) => void
}

/** Resolves after the signal is aborted, which suspends the queue, and the keys in work are done. */
export async function runWorkers(o: ControllerOptions, signal: AbortSignal): Promise<void> {
  void untilAborted(signal).then(() => o.queue.suspend())
  await Promise.all(Array.from({ length: o.workers ?? 1 }, () => work(o, signal)))
}

async function work(o: ControllerOptions, signal: AbortSignal): Promise<void> {
  for (let key = await o.queue.take(); key !== undefined; key = await o.queue.take()) {
    try {
      const result = await o.reconciler.reconcile(key, signal)
      o.queue.forget(key)
      if (result.kind === 'requeue') o.queue.addAfter(key, result.afterMs)
      o.counted?.(result.kind === 'requeue' ? 'requeued' : 'done')
    } catch (error) {
      fail(o, key, error, signal)
    } finally {
      o.queue.done(key)
    }
  }
}

function fail(o: ControllerOptions, key: string, error: unknown, signal: AbortSignal): void {
  if (signal.aborted) return
  o.counted?.('failed')
  if (error instanceof TerminalError) {
    o.log.error('a key is given up until it changes', { controller: o.name, key, error })
    o.queue.forget(key)
    return
  }
  o.log.warn('a key failed', { controller: o.name, key, failures: o.queue.failures(key) + 1, error })
  o.queue.retry(key)
}

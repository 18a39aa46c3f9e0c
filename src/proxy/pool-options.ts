/** What the connections to one address of a backend may cost and how long they last. */
import type { Clock } from '../lib/clock.ts'

export interface PoolOptions {
  readonly clock: Clock
  /** auto: HTTP/2 where the backend speaks it; h2: nothing else will do. Default auto. */
  readonly protocol: 'auto' | 'http/1.1' | 'h2'
  /** All together, where the backend has no HTTP/2. Default 4,096. */
  readonly maxConnections: number
  /** Requests that may wait for a connection; more fail at once. Default 4,096. */
  readonly maxQueued: number
  readonly connectTimeoutMs: number
  readonly handshakeTimeoutMs: number
  /** A connection without a request is closed after this. Default 60,000: shorter than the 90 s after which Go servers close. */
  readonly idleTimeoutMs: number
  /** A connection takes no new requests after this, 20 % more or less: load spreads again after a rollout. */
  readonly maxAgeMs: number
  /** Nothing read for this long, though something is awaited: the backend is asked whether it lives. Upstream: 30 s. */
  readonly readIdleMs: number
  /** Without an answer to that for this long it is dead. Upstream: 15 s. */
  readonly pingTimeoutMs: number
  readonly maxHeaderBytes: number
  readonly maxHeaderCount: number
}
export const defaultPoolOptions: Omit<PoolOptions, 'clock'> = {
  protocol: 'auto',
  maxConnections: 4_096,
  maxQueued: 4_096,
  connectTimeoutMs: 10_000,
  handshakeTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  maxAgeMs: 1_800_000,
  readIdleMs: 5_000,
  pingTimeoutMs: 3_000,
  maxHeaderBytes: 1_048_576,
  maxHeaderCount: 4_000,
}

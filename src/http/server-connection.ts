/** What the listener knows of a connection, whatever its protocol. */
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Connection, Exchange } from './exchange.ts'
import type { PeerCertificate } from './client-certificate.ts'
import type { ListenLimits } from './listen-limits.ts'

export interface ServerConnection extends Connection {
  /** Checks the timeouts; called about once a second. */
  sweep(nowMs: number): void
  destroy(): void
}

/** What a connection is made from. */
export interface ConnectionSeed {
  readonly id: number
  readonly socket: Socket | TLSSocket
  readonly secure: boolean
  readonly peer: PeerCertificate | undefined
  readonly limits: ListenLimits
  /** Monotonic ms. */
  readonly now: () => number
  /** The value of a Date header, made once a second. */
  readonly dateValue: () => string
  readonly onRequest: (exchange: Exchange) => void
  /** A request that is no HTTP; for the log and a counter. */
  readonly onProtocolError: (error: unknown) => void
}

/** What one listener accepts before it refuses: each limit is an option of its own. */
export interface ListenLimits {
  /** Names and values of one request's headers, in bytes; more is a 431, never cut short. Default 1 MiB, as upstream. */
  readonly maxHeaderBytes: number
  /** Header fields of one request; more is a 431. Default 4,000: a user of 2,000 groups sends a field for each. */
  readonly maxHeaderCount: number
  /** HTTP/2 streams open at once per connection. Default 250: client-go opens one per watch, and 100 were too few for controllers. */
  readonly maxConcurrentStreams: number
  /** HTTP/2 streams a client may reset before its connection is ended, in a burst; then streamResetRate per second. Default 1,000. */
  readonly streamResetBurst: number
  /** Default 33 per second. */
  readonly streamResetRate: number
  /** A connection without a request is closed after this. Default 90,000. */
  readonly idleTimeoutMs: number
  /** From a request's first byte (of the first one: from the connection's start) to the end of its headers. Default 32,000. */
  readonly headerTimeoutMs: number
  /** A request body that a handler reads and that brings no byte of content for this long is given up. Default 60,000. */
  readonly bodyTimeoutMs: number
  /** From the TCP connection to the end of the TLS handshake. Default 10,000. */
  readonly handshakeTimeoutMs: number
  /** Connections of one address, or one IPv6 /64, whose TLS handshake is not done; more are closed at once. Default 1,000. */
  readonly maxHandshakesPerAddress: number
  /** Connections at once; more are closed at once. Default no limit. */
  readonly maxConnections: number
}

export const defaultLimits: ListenLimits = {
  maxHeaderBytes: 1_048_576,
  maxHeaderCount: 4_000,
  maxConcurrentStreams: 250,
  streamResetBurst: 1_000,
  streamResetRate: 33,
  idleTimeoutMs: 90_000,
  headerTimeoutMs: 32_000,
  bodyTimeoutMs: 60_000,
  handshakeTimeoutMs: 10_000,
  maxHandshakesPerAddress: 1_000,
  maxConnections: Number.POSITIVE_INFINITY,
}

/**
 * How a client reaches a server: a function from a request to a response whose body streams. In one process it is a
 * call of the handler chain, else an HTTP client; the client does not know which.
 */
export interface TransportRequest {
  readonly method: string
  /** Path and query, as on the wire. */
  readonly path: string
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Uint8Array
  /** Aborting it ends the request, also while the body streams. */
  readonly signal: AbortSignal
}
export interface TransportResponse {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The caller reads it to its end or returns from it. A break in the connection throws. */
  readonly body: AsyncIterable<Uint8Array>
}
export type Transport = (request: TransportRequest) => Promise<TransportResponse>

/**
 * What an error of a transport over a network tells beside its text. The layers that throw and that read such errors do
 * not know each other: it is told by shape.
 */
export interface TransportFailure {
  readonly phase: 'resolve' | 'connect' | 'tls' | 'queue' | 'first-byte' | 'stream'
  /** Nothing came from the server any more. */
  readonly silent: boolean
  /** The transport's own patience ended. */
  readonly timedOut: boolean
}
export function failureOf(error: unknown): TransportFailure | undefined {
  return error instanceof Error && 'phase' in error && typeof error.phase === 'string'
    ? (error as Error & TransportFailure)
    : undefined
}

/** The system's code in an error or in what caused it, such as ECONNREFUSED; empty: there is none. */
export function systemCode(error: unknown): string {
  for (let e = error; e instanceof Error; e = e.cause) if ('code' in e && typeof e.code === 'string') return e.code
  return ''
}

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
  /** To be read to its end or returned from; a break in the connection throws. */
  readonly body: AsyncIterable<Uint8Array>
}
export type Transport = (request: TransportRequest) => Promise<TransportResponse>

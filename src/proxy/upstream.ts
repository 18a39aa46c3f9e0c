/** A request on its way to a backend, whatever the protocol: http1-client.ts and http2-client.ts speak it. */
import type { Socket } from 'node:net'
import type { HeaderList } from '../http/exchange.ts'

export interface UpstreamRequest {
  readonly method: string
  /** Raw: path and query. */
  readonly target: string
  /** Host header or :authority. */
  readonly authority: string
  /** End-to-end ones only; without host, content-length and expect. */
  readonly headers: HeaderList
  /** none, its length in bytes, or unknown. */
  readonly body: 'none' | 'unknown' | number
  /** Protocol to switch to; its headers are among `headers`. Only 101 switches. */
  readonly upgrade: string | undefined
}

/** What the sender hears. After ended, failed or switched it hears nothing more, and its UpstreamStream is dead. */
export interface UpstreamHandler {
  /** 1xx except 100 and 101. */
  informed(status: number, headers: HeaderList): void
  answered(status: number, headers: HeaderList): void
  /** @returns false to get no more before resume(). */
  data(chunk: Buffer): boolean
  ended(trailers: HeaderList): void
  failed(error: UpstreamError): void
  /** Instead of answered, for a request with `upgrade`: the connection is the handler's now. */
  switched(headers: HeaderList, backend: { readonly socket: Socket; readonly head: Uint8Array }): void
  /** The connection that it waits for is up, and its TLS handshake begins. */
  handshaking?(): void
  /** The request is on a connection. Called once per attempt. */
  connected?(): void
  /** Body bytes are taken: once at the start, then each time after write() answered false. */
  drained(): void
}

/** What the sender calls. */
export interface UpstreamStream {
  /** @returns false when the caller should wait for drained(). */
  write(chunk: Uint8Array): boolean
  end(trailers?: HeaderList): void
  resume(): void
  /** Gives up: the handler hears nothing more. HTTP/1.1 closes the connection, HTTP/2 resets the stream. */
  abort(): void
}

export type UpstreamPhase = 'resolve' | 'connect' | 'tls' | 'queue' | 'first-byte' | 'stream'

/** Nothing comes from the endpoint any more, on any connection: another attempt there would wait as long. */
export class SilentEndpointError extends Error {
  override readonly name = 'SilentEndpointError'
}

export class UpstreamError extends Error {
  override readonly name = 'UpstreamError'
  readonly phase: UpstreamPhase
  /** The backend cannot have seen the request: it may be sent again, whatever its method. */
  readonly unprocessed: boolean
  /** A connection that waited for its next request died without a byte: safe methods may be sent again. */
  readonly stale: boolean
  /** Our own patience ended. */
  readonly timedOut: boolean
  /** See SilentEndpointError. */
  get silent(): boolean {
    return this.cause instanceof SilentEndpointError
  }
  constructor(
    phase: UpstreamPhase,
    message: string,
    o: { cause?: unknown; unprocessed?: boolean; stale?: boolean; timedOut?: boolean } = {},
  ) {
    super(message, { cause: o.cause })
    this.phase = phase
    this.unprocessed = o.unprocessed ?? false
    this.stale = o.stale ?? false
    this.timedOut = o.timedOut ?? false
  }
}

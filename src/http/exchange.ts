/** One request on the wire, whatever the protocol; listener.ts makes them for HTTP/1.1 and HTTP/2. */
import type { X509Certificate } from 'node:crypto'
import type { Duplex, Readable } from 'node:stream'

/** name, value, name, value ...: order, letter case and duplicates as they came or are to be sent. */
export type HeaderList = readonly string[]

/** Headers of a request. Lookups are case-insensitive: pass lower-case names. HTTP/2 pseudo headers are not in it. */
export interface HeaderView {
  readonly raw: HeaderList
  /** The first value. */
  get(name: string): string | undefined
  all(name: string): readonly string[]
  has(name: string): boolean
}

/** The client certificate of a connection, verified by OpenSSL against our client CAs. */
export interface VerifiedCertificate {
  readonly certificate: X509Certificate
  readonly commonName: string
  readonly organizations: readonly string[]
  /** The hash of the DER, lower-case hex. */
  readonly sha256: string
  /** Which of our CA bundles it chains to: the two are checked apart and never merged. */
  readonly chainsTo: { readonly clientCA: boolean; readonly frontProxyCA: boolean }
}

export interface Connection {
  readonly id: number
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localPort: number
  readonly protocol: 'http/1.1' | 'h2'
  /** A call of this process to itself: there is no client to drain. */
  readonly inProcess?: true
  /** False on the insecure listener. */
  readonly secure: boolean
  readonly clientCertificate: VerifiedCertificate | undefined
  /** The client showed a certificate of which none of our CAs knows, or that is not valid now. */
  readonly hasBadCertificate: boolean
  /** No new requests: GOAWAY, or `Connection: close` on the answer under way. Those in flight go on. */
  retire(): void
}

export type Outcome = {
  readonly kind: 'complete' | 'client-gone' | 'aborted' | 'taken-over'
  /** 0 where nothing was answered. */
  readonly status: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly error?: unknown
}

export interface Exchange {
  readonly connection: Connection
  /** GET for an extended CONNECT. */
  readonly method: string
  /** The request target, raw: path and query as they came. */
  readonly target: string
  /** Host header or :authority. */
  readonly authority: string
  readonly headers: HeaderView
  /** The Upgrade token (HTTP/1.1, with Connection: upgrade) or :protocol (HTTP/2 extended CONNECT), of a protocol that may become a tunnel. */
  readonly upgrade: string | undefined
  /** Aborted when the client is gone; made on first use. */
  readonly signal: AbortSignal
  readonly phase: 'waiting' | 'responded' | 'finished'
  /** True where the request has a body (content-length > 0, chunked, or an HTTP/2 stream not ended with its headers). */
  readonly hasBody: boolean
  /** The first call answers Expect: 100-continue. */
  body(): Readable
  /** After the body's end. */
  trailers(): HeaderList
  /** 1xx except 101. */
  inform(status: number, headers: HeaderList): void
  /** Headers go out with the first bytes; at once where flush is true. Also for an upgrade request that is refused. */
  respond(status: number, headers: HeaderList, flush?: boolean): void
  /** @returns false when the caller should wait for onDrain. */
  write(chunk: Uint8Array): boolean
  onDrain(resume: () => void): void
  end(chunk?: Uint8Array, trailers?: HeaderList): void
  /** HTTP/1.1 destroys the socket, HTTP/2 resets the stream: a broken answer never looks complete. */
  abort(cause: unknown): void
  /** Hands over the raw stream, half-open: HTTP/1.1 writes the 101 head, HTTP/2 (extended CONNECT) answers 200. */
  takeOver(status: 101 | 200, headers: HeaderList): { stream: Duplex; head: Uint8Array }
  /** Exactly once; at once where it is over already. */
  onFinish(fn: (o: Outcome) => void): void
}

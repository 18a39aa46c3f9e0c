/**
 * Accepts connections and hands each request on as an Exchange, HTTP/2 or HTTP/1.1, over TLS or plain.
 *
 * Owns:     the listening socket and every connection, until close().
 * Callers:  app/run/wire.ts.
 * Not here: what a request means (servers/), which certificates are shown (tls-context.ts).
 *
 *   listening --close({ graceMs })--> connections retired, new ones answered once --those gone or grace over--> closed
 *
 * The protocol is chosen by ALPN on a plain TLS server: http2.createSecureServer with allowHTTP1 ignores some of the
 * options of its HTTP/1.1 half.
 */
import { type AddressInfo, createServer as createPlainServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import type { Cancel, Clock } from '../lib/clock.ts'
import { Deferred } from '../lib/deferred.ts'
import { type PeerCertificate, peerCertificateOf } from './client-certificate.ts'
import type { Connection, Exchange } from './exchange.ts'
import { Http1ServerConnection } from './http1/server-connection.ts'
import { Http2ServerConnection } from './http2/server-session.ts'
import { defaultLimits, type ListenLimits } from './listen-limits.ts'
import { freePeerCertificates } from './peer-certificate.ts'
import type { ConnectionSeed, ServerConnection } from './server-connection.ts'
import type { ReloadableTls } from './tls-context.ts'
import { TlsDoor } from './tls-door.ts'

export interface ListenerHooks {
  /** A handshake that failed or took too long, with the peer's address. */
  readonly tlsError?: (error: Error, remoteAddress: string | undefined) => void
  /** A connection that was closed unheard, because there are too many: of all, or handshakes of its address. */
  readonly refused?: (limit: 'connections' | 'handshakes') => void
  /** Bytes that are no HTTP, or a session that broke. */
  readonly protocolError?: (error: unknown) => void
  readonly connectionOpened?: (connection: Connection) => void
  readonly connectionClosed?: (connection: Connection) => void
}
export interface ListenOptions {
  /** 0: any free port. */
  readonly port: number
  /** Default every address. */
  readonly host?: string
  /** Absent: plain HTTP/1.1, and connections that say `secure: false`. */
  readonly tls?: ReloadableTls
  readonly limits?: Partial<ListenLimits>
  readonly clock: Clock
  readonly onRequest: (exchange: Exchange) => void
  readonly hooks?: ListenerHooks
}

const SWEEP_MS = 1_000
/** The share of close()'s time for connections that were accepted last, each of which is answered once. */
const LATECOMERS_SHARE = 0.3

/** @throws what listen(2) reports, such as EADDRINUSE. */
export async function listen(options: ListenOptions): Promise<Listener> {
  const listener = new Listener(options)
  await listener.start()
  return listener
}

export class Listener implements AsyncDisposable {
  readonly #options: ListenOptions
  readonly #limits: ListenLimits
  readonly #server: Server
  /** Absent: plain HTTP. */
  readonly #door: TlsDoor | undefined
  readonly #connections = new Map<ServerConnection, PeerCertificate | undefined>()
  readonly #unwatch: () => void = () => {}
  /** TCP connections, also those whose TLS handshake is still going on. */
  readonly #sockets = new Set<Socket>()
  #nextId = 1
  #sweep: Cancel | undefined
  #date = { at: Number.NEGATIVE_INFINITY, value: '' }
  #closed: Deferred | undefined

  constructor(options: ListenOptions) {
    this.#options = options
    this.#limits = { ...defaultLimits, ...options.limits }
    this.#server = createPlainServer({ allowHalfOpen: true }, this.#onSocket)
    const { tls } = options
    if (tls) [this.#door, this.#unwatch] = this.#openDoor(tls)
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(
        { port: this.#options.port, ...(this.#options.host ? { host: this.#options.host } : {}) },
        () => {
          this.#server.off('error', reject)
          resolve()
        },
      )
    })
    this.#scheduleSweep()
  }
  get address(): AddressInfo {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the listener has no port')
    return address
  }
  get port(): number {
    return this.address.port
  }
  /** Connections whose TLS handshake is not done. */
  get handshaking(): number {
    return this.#door?.size ?? 0
  }
  /** Those whose handshake is done. */
  get connections(): Iterable<Connection> {
    return this.#connections.keys()
  }
  /** GOAWAY and `Connection: close` to all, while new connections are still accepted. */
  retireAll(): void {
    for (const connection of this.#connections.keys()) connection.retire()
  }
  /**
   * Waits for what is in flight, then accepts no more and ends the rest: a client that comes meanwhile gets an answer,
   * and the port is dark only when nothing is left to wait for. Resolves when every connection is gone.
   */
  async close({ graceMs }: { graceMs: number }): Promise<void> {
    if (this.#closed) return this.#closed.promise
    const closed = new Deferred()
    this.#closed = closed
    this.#unwatch()
    this.retireAll()
    this.#door?.endSilent()
    await this.#goneWithin(graceMs * (1 - LATECOMERS_SHARE))
    this.#server.close(() => closed.resolve())
    await this.#goneWithin(graceMs * LATECOMERS_SHARE)
    for (const connection of this.#connections.keys()) connection.destroy()
    for (const socket of this.#sockets) socket.destroy()
    await closed.promise
    this.#sweep?.()
  }
  /** Those that are open now. */
  async #goneWithin(graceMs: number): Promise<void> {
    const open = new Set(this.#sockets)
    if (open.size === 0) return
    const gone = new Deferred()
    for (const socket of open)
      socket.once('close', () => {
        open.delete(socket)
        if (open.size === 0) gone.resolve()
      })
    const cancel = this.#options.clock.after(graceMs, () => gone.resolve())
    await gone.promise
    cancel()
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close({ graceMs: 0 })
  }

  readonly #now = (): number => this.#options.clock.monotonicMs()
  readonly #wallNow = (): number => this.#options.clock.now()
  readonly #dateValue = (): string => {
    const now = this.#options.clock.now()
    if (now - this.#date.at >= 1_000) {
      const second = now - (now % 1_000)
      this.#date = { at: second, value: new Date(second).toUTCString() }
    }
    return this.#date.value
  }
  readonly #onSocket = (socket: Socket): void => {
    if (this.#sockets.size >= this.#limits.maxConnections) return this.#refuse(socket, 'connections')
    if (this.#door && !this.#door.admit(socket)) return this.#refuse(socket, 'handshakes')
    socket.setKeepAlive(true, 180_000)
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    if (!this.#door) this.#accept(socket, undefined)
  }
  #refuse(socket: Socket, limit: 'connections' | 'handshakes'): void {
    socket.destroy()
    this.#options.hooks?.refused?.(limit)
  }
  /** The TLS server listens nowhere: it gets its connections from the door. */
  #openDoor(tls: ReloadableTls): [door: TlsDoor, unwatch: () => void] {
    const { hooks } = this.#options
    const server = createTlsServer({
      ...tls.serverOptions(),
      handshakeTimeout: this.#limits.handshakeTimeoutMs,
    })
    const onFailed = (error: Error, remoteAddress: string | undefined): void => hooks?.tlsError?.(error, remoteAddress)
    const door = new TlsDoor({
      timeoutMs: this.#limits.handshakeTimeoutMs,
      maxPerAddress: this.#limits.maxHandshakesPerAddress,
      now: this.#now,
      handshake: (socket) => {
        // An end in the middle of a handshake is one of the connection.
        socket.allowHalfOpen = false
        server.emit('connection', socket)
      },
      onFailed,
    })
    server.on('secureConnection', (socket) => {
      door.secured(socket)
      socket.allowHalfOpen = true
      freePeerCertificates(socket)
      this.#accept(socket, peerCertificateOf(socket, tls.trust, this.#wallNow))
    })
    server.on('tlsClientError', (error, socket) => {
      onFailed(error, socket.remoteAddress)
      // The alert that says why is with the system already.
      socket.destroy()
    })
    const unwatch = tls.onUpdate(() => {
      server.setSecureContext(tls.serverOptions())
      this.#verifyAgain(tls)
    })
    return [door, unwatch]
  }
  #accept(socket: Socket | TLSSocket, peer: PeerCertificate | undefined): void {
    const { hooks } = this.#options
    if (socket.destroyed) return
    // Small frames must not wait for the acknowledgement of the one before. On the TLS socket: the one below is not asked.
    socket.setNoDelay(true)
    const seed: ConnectionSeed = {
      id: this.#nextId++,
      socket,
      secure: this.#options.tls !== undefined,
      peer,
      limits: this.#limits,
      now: this.#now,
      dateValue: this.#dateValue,
      onRequest: this.#options.onRequest,
      onProtocolError: (error) => hooks?.protocolError?.(error),
    }
    const h2 = 'alpnProtocol' in socket && socket.alpnProtocol === 'h2'
    const connection = h2 ? new Http2ServerConnection(seed) : new Http1ServerConnection(seed)
    this.#connections.set(connection, peer)
    hooks?.connectionOpened?.(connection)
    socket.once('close', () => {
      this.#connections.delete(connection)
      hooks?.connectionClosed?.(connection)
    })
    if (this.#closed) connection.retire()
  }
  #verifyAgain(tls: ReloadableTls): void {
    for (const [connection, peer] of this.#connections) {
      if (peer && !peer.verifyAgain(tls.trust)) connection.retire()
    }
  }
  #scheduleSweep(): void {
    this.#sweep = this.#options.clock.after(SWEEP_MS, () => {
      const now = this.#now()
      this.#door?.sweep(now)
      for (const connection of this.#connections.keys()) connection.sweep(now)
      this.#scheduleSweep()
    })
  }
}

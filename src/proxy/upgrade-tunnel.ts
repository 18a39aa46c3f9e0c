/**
 * Upgraded connections, WebSocket and SPDY/3.1: each has a backend connection of its own, and after a 101 the
 * bytes are handed on as they are.
 *
 * Callers: forward.ts.
 *
 * An HTTP/2 client asks with an extended CONNECT (RFC 8441), which names neither a key nor an Upgrade header: the
 * backend gets a plain HTTP/1.1 handshake made here.
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Cancel, Clock } from '../lib/clock.ts'
import type { Exchange, HeaderList } from '../http/exchange.ts'
import { headerValue } from '../http/header-list.ts'
import { webSocketAccept } from '../http/websocket.ts'
import { dial } from './dial.ts'
import { endToEndHeaders } from './end-to-end-headers.ts'
import { Http1ClientConnection } from './http1-client.ts'
import type { UpstreamPool } from './upstream-pool.ts'
import type { UpstreamHandler, UpstreamRequest, UpstreamStream } from './upstream.ts'

/** A backend that answered 101: its socket, and the bytes that came behind the head. */
export interface Switched {
  readonly socket: Socket
  readonly head: Uint8Array
}

/** What a request needs beside its end-to-end headers. */
export function upgradeHeaders(exchange: Exchange, upgrade: string): string[] {
  const headers = ['Connection', 'Upgrade', 'Upgrade', upgrade]
  if (exchange.connection.protocol === 'h2' && !exchange.headers.has('sec-websocket-key'))
    headers.push('Sec-WebSocket-Key', randomBytes(16).toString('base64'))
  return headers
}

/** What the client's 101 carries: everything for HTTP/1.1, no handshake for HTTP/2. */
export function switchedHeaders(exchange: Exchange, headers: HeaderList): string[] {
  if (exchange.connection.protocol === 'h2') return endToEndHeaders(headers, (name) => name === 'sec-websocket-accept')
  const upgrade = headerValue(headers, 'upgrade')
  return [...endToEndHeaders(headers), 'Connection', 'Upgrade', ...(upgrade ? ['Upgrade', upgrade] : [])]
}

/** @returns why a 101 is not the answer to this request, or undefined where it is. Source: RFC 6455 section 4.1. */
export function wrongSwitch(request: UpstreamRequest, headers: HeaderList): string | undefined {
  const wanted = request.upgrade ?? ''
  const got = headerValue(headers, 'upgrade') ?? ''
  if (got.toLowerCase() !== wanted.toLowerCase()) return `the backend switched to ${JSON.stringify(got)}`
  const key = headerValue(request.headers, 'sec-websocket-key')
  if (wanted.toLowerCase() !== 'websocket' || key === undefined) return undefined
  return headerValue(headers, 'sec-websocket-accept') === webSocketAccept(key)
    ? undefined
    : 'the backend did not accept the WebSocket key'
}

const nobody = { idle: (): void => {}, closed: (): void => {} }

/** Opens a connection for this request alone; it is never pooled. */
export function openUpgrade(pool: UpstreamPool, request: UpstreamRequest, handler: UpstreamHandler): UpstreamStream {
  let connection: Http1ClientConnection | undefined
  const cancel = dial(pool.address, { ...pool.options, alpn: ['http/1.1'] }, (error, dialled) => {
    if (error) return handler.failed(error)
    connection = new Http1ClientConnection(dialled!.socket, nobody, pool.options)
    connection.send(request, handler)
  })
  return {
    write: () => true,
    end: () => {},
    resume: () => connection?.resume(),
    abort: () => {
      cancel()
      connection?.abort()
    },
  }
}

/** How long one direction may go on without a byte once the other has ended: a peer that is gone sends only an end, too. */
const HALF_CLOSED_IDLE_MS = 30_000

/**
 * Hands bytes on in both directions. One side's end ends the other's writing half only, as long as bytes still come
 * from there; one side's close or error ends both.
 */
export function joinStreams(
  client: { readonly stream: Duplex; readonly head: Uint8Array },
  backend: Switched,
  clock: Clock,
): void {
  const there = backend.socket
  if (backend.head.length > 0) client.stream.write(backend.head)
  if (client.head.length > 0) there.write(client.head)
  const watch = new HalfClosed(clock, () => {
    client.stream.destroy()
    there.destroy()
  })
  handOn(client.stream, there, watch)
  handOn(there, client.stream, watch)
}

function handOn(from: Duplex, to: Duplex, watch: HalfClosed): void {
  from.on('data', (chunk: Buffer) => {
    watch.moved = true
    if (!to.write(chunk)) from.pause()
  })
  to.on('drain', () => from.resume())
  from.on('end', () => {
    to.end()
    watch.start()
  })
  from.on('error', () => to.destroy())
  // What was read before the close is still written; a side that is gone reads nothing any more.
  from.on('close', () => {
    watch.stop()
    if (from.readableEnded && !to.writableFinished && !to.destroyed) to.once('finish', () => to.destroy())
    else to.destroy()
  })
  from.resume()
}

/** Ends a tunnel of which one direction is over and the other silent. */
class HalfClosed {
  moved = false
  readonly #clock: Clock
  readonly #end: () => void
  #cancel: Cancel | undefined
  constructor(clock: Clock, end: () => void) {
    this.#clock = clock
    this.#end = end
  }
  start(): void {
    this.#cancel ??= this.#clock.after(HALF_CLOSED_IDLE_MS, this.#check)
  }
  stop(): void {
    this.#cancel?.()
  }
  readonly #check = (): void => {
    if (!this.moved) return this.#end()
    this.moved = false
    this.#cancel = this.#clock.after(HALF_CLOSED_IDLE_MS, this.#check)
  }
}

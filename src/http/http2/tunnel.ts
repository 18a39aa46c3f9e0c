/** The raw stream of a request that was taken over (extended CONNECT): the form that tunnels join. Callers: server-exchange.ts. */
import { Duplex } from 'node:stream'

export interface TunnelWire {
  /** @param chunk undefined: the end. @returns false when it has to wait for drained(). */
  write(chunk: Uint8Array | undefined): boolean
  /** More is wanted: called again after each read that emptied the buffer. */
  wantMore(): void
  closed(error: Error | null): void
}

export class Http2Tunnel extends Duplex {
  readonly #wire: TunnelWire
  #written: (() => void) | undefined

  constructor(wire: TunnelWire) {
    super({ allowHalfOpen: true })
    this.#wire = wire
  }
  /** The wire takes more. */
  drained(): void {
    const written = this.#written
    this.#written = undefined
    written?.()
  }
  override _read(): void {
    this.#wire.wantMore()
  }
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (this.#wire.write(chunk)) done()
    else this.#written = done
  }
  override _final(done: () => void): void {
    if (this.#wire.write(undefined)) done()
    else this.#written = done
  }
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#wire.closed(error)
    done(error)
  }
}

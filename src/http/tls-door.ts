/**
 * Connections of the TLS listener until their handshake is done: each has a limited time for it, whatever trickles in, and each
 * address a limited number of them at once.
 *
 * Owns:     the sockets from accept() until secured().
 * Callers:  listener.ts.
 * Not here: the handshake itself, which the TLS server makes from the first byte on.
 *
 *   silent --a TLS record--> handshaking --secured()--> let go
 *     |  `--a request in plain HTTP--> answered 400, ending --peer's end--> closed
 *     `-------- time is up, in any of these states: destroyed
 */
import type { Socket } from 'node:net'

export interface TlsDoorOptions {
  /** From the TCP connection to the end of the handshake. */
  readonly timeoutMs: number
  /** Connections of one address at once; an IPv6 address counts as its /64. */
  readonly maxPerAddress: number
  /** Monotonic ms. */
  readonly now: () => number
  /** Takes the connection over, with its first bytes still to be read. */
  readonly handshake: (socket: Socket) => void
  /** A connection that got as far as nothing: the TLS server never saw it. */
  readonly onFailed: (error: Error, remoteAddress: string | undefined) => void
}
interface Waiting {
  readonly socket: Socket
  readonly address: string
  readonly sinceMs: number
  /** The TLS server has it, and tells of its failures itself. */
  handedOn: boolean
}

const TLS_HANDSHAKE = 0x16
/** The length of a TLS record's head: upstream, too, judges by so many bytes. */
const JUDGED_BYTES = 5
const METHODS = new Set(['GET /', 'HEAD ', 'POST ', 'PUT /', 'OPTIO', 'DELET', 'PATCH'])
const PLAIN_HTTP = 'Client sent an HTTP request to an HTTPS server.'

export class TlsDoor {
  readonly #o: TlsDoorOptions
  /** In the order they came. By both ends' addresses: the TLS server's sockets are others than those below them. */
  readonly #waiting = new Map<string, Waiting>()
  readonly #byAddress = new Map<string, number>()

  constructor(o: TlsDoorOptions) {
    this.#o = o
  }
  get size(): number {
    return this.#waiting.size
  }
  /** @returns false where its address has too many already: the caller ends it. */
  admit(socket: Socket): boolean {
    const address = addressOf(socket.remoteAddress ?? '')
    const count = this.#byAddress.get(address) ?? 0
    if (count >= this.#o.maxPerAddress) return false
    this.#byAddress.set(address, count + 1)
    const waiting = { socket, address, sinceMs: this.#o.now(), handedOn: false }
    const id = idOf(socket)
    this.#waiting.set(id, waiting)
    socket.once('close', () => this.#forget(id))
    socket.on('error', () => {})
    this.#look(waiting)
    return true
  }
  /** The handshake is done. @param socket the TLS server's. */
  secured(socket: Socket): void {
    this.#forget(idOf(socket))
  }
  /** Ends those that have said nothing yet. */
  endSilent(): void {
    for (const { socket, handedOn } of this.#waiting.values()) if (!handedOn) socket.destroy()
  }
  /** Ends those whose time is up; called about once a second. */
  sweep(nowMs: number): void {
    for (const { socket, sinceMs, handedOn } of this.#waiting.values()) {
      if (nowMs - sinceMs <= this.#o.timeoutMs) return
      if (!handedOn) this.#o.onFailed(new Error('no TLS handshake in time'), socket.remoteAddress)
      socket.destroy()
    }
  }

  /** Waits for enough bytes to judge by, and leaves them unread. */
  #look(waiting: Waiting): void {
    const { socket } = waiting
    const onEnd = (): void => void socket.destroy()
    const onReadable = (): void => {
      const first: Buffer | null = socket.read()
      if (first === null) return
      const isTls = first[0] === TLS_HANDSHAKE
      socket.unshift(first)
      if (!isTls && first.length < JUDGED_BYTES) return
      socket.off('readable', onReadable)
      socket.off('end', onEnd)
      if (!isTls && METHODS.has(first.toString('latin1', 0, JUDGED_BYTES))) return this.#answerPlain(socket)
      waiting.handedOn = true
      this.#o.handshake(socket)
    }
    socket.on('readable', onReadable)
    socket.once('end', onEnd)
  }
  /** Reads on until the client's end: a reset would lose the answer. */
  #answerPlain(socket: Socket): void {
    socket.end(`HTTP/1.0 400 Bad Request\r\n\r\n${PLAIN_HTTP}\n`)
    this.#o.onFailed(new Error(PLAIN_HTTP), socket.remoteAddress)
    socket.once('end', () => socket.destroySoon())
    socket.resume()
  }
  #forget(id: string): void {
    const waiting = this.#waiting.get(id)
    if (!waiting) return
    this.#waiting.delete(id)
    const count = this.#byAddress.get(waiting.address)! - 1
    if (count > 0) this.#byAddress.set(waiting.address, count)
    else this.#byAddress.delete(waiting.address)
  }
}

function idOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress}`
}

const GROUPS_OF_A_NETWORK = 4
/** A client with one IPv6 address has the 2^64 around it. */
function addressOf(address: string): string {
  if (!address.includes(':') || address.includes('.')) return address
  const [front = '', back = ''] = address.split('::')
  const before = front === '' ? [] : front.split(':')
  const after = back === '' ? [] : back.split(':')
  const zeros = address.includes('::') ? 8 - before.length - after.length : 0
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after]
  return groups.slice(0, GROUPS_OF_A_NETWORK).join(':')
}

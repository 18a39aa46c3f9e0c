/**
 * The body of a request on its way to a backend, kept as far as it may have to be sent once more.
 *
 * Callers: forward.ts, one per request that has a body.
 */
import type { Readable } from 'node:stream'
import type { HeaderList } from '../http/exchange.ts'
import type { UpstreamStream } from './upstream.ts'

export interface BodySource {
  /** Its first call starts the transfer. */
  body(): Readable
  trailers(): HeaderList
}

export interface BodyEvents {
  /** Bytes of it came, and went on. */
  readonly sent: (bytes: number) => void
  /** It broke off; also where the client is gone. */
  readonly broken: (error: Error) => void
}

export class ReplayableBody {
  readonly #source: BodySource
  readonly #maxBytes: number
  readonly #on: BodyEvents
  #body: Readable | undefined
  #kept: Buffer[] | undefined = []
  #keptBytes = 0
  #ended: HeaderList | undefined
  #to: UpstreamStream | undefined

  constructor(source: BodySource, maxBytes: number, on: BodyEvents) {
    this.#source = source
    this.#maxBytes = maxBytes
    this.#on = on
  }
  /** Whether it can be sent from the start once more. */
  get replayable(): boolean {
    return this.#kept !== undefined
  }
  /** The backend takes bytes: at the start of an attempt from the first one on, later from where it stopped. */
  flow(to: UpstreamStream): void {
    if (to === this.#to) {
      this.#body?.resume()
      return
    }
    this.#to = to
    for (const chunk of this.#kept ?? []) to.write(chunk)
    if (this.#ended) return to.end(this.#ended)
    if (this.#body) this.#body.resume()
    else this.#start()
  }
  /** The attempt is over; what comes in meanwhile waits. */
  detach(): void {
    this.#to = undefined
    this.#body?.pause()
  }
  /** The answer began: nothing will be sent again. */
  settle(): void {
    this.#kept = undefined
  }
  destroy(): void {
    this.#kept = undefined
    this.#body?.destroy()
  }

  #start(): void {
    const body = this.#source.body()
    this.#body = body
    body.on('error', this.#on.broken)
    body.on('data', (chunk: Buffer) => {
      this.#keep(chunk)
      this.#on.sent(chunk.length)
      if (this.#to && !this.#to.write(chunk)) body.pause()
    })
    body.on('end', () => {
      this.#ended = this.#source.trailers()
      this.#to?.end(this.#ended)
    })
  }
  #keep(chunk: Buffer): void {
    if (!this.#kept) return
    this.#keptBytes += chunk.length
    if (this.#keptBytes > this.#maxBytes) this.#kept = undefined
    else this.#kept.push(chunk)
  }
}

/** Where the events of a watch go: into one long answer, or each into a message of a WebSocket. Callers: watch.ts. */
import type { HeaderList } from '../http/exchange.ts'
import type { RequestContext } from '../http/request-context.ts'
import { acceptWebSocket, type WebSocket, webSocketHandshake, type WebSocketRefusal } from '../http/websocket.ts'
import { writeText } from '../http/write-status.ts'
import type { Clock } from '../lib/clock.ts'
import type { WatchEncoder } from './watch-encoder.ts'

export interface WatchSink {
  /** Answers. Nothing may be thrown for this request any more. */
  open(): void
  /** @param event as the encoder made it. @returns false when the caller should wait for onDrain. */
  write(event: Uint8Array): boolean
  onDrain(resume: () => void): void
  end(): void
}

/** @returns undefined where the client asks for a WebSocket that cannot be: it has its answer. */
export function watchSink(ctx: RequestContext, encoder: WatchEncoder, clock: Clock): WatchSink | undefined {
  if (ctx.exchange.upgrade?.toLowerCase() !== 'websocket') return answerSink(ctx, encoder)
  const handshake = webSocketHandshake(ctx)
  if (!isRefusal(handshake)) return new WebSocketSink(ctx, encoder, handshake, clock)
  writeText(ctx, 400, handshake.text, handshake.headers)
  return undefined
}

const isRefusal = (handshake: HeaderList | WebSocketRefusal): handshake is WebSocketRefusal => 'text' in handshake

function answerSink(ctx: RequestContext, encoder: WatchEncoder): WatchSink {
  const { exchange } = ctx
  return {
    open: () => ctx.respond(200, ['Content-Type', encoder.contentType], true),
    write: (event) => exchange.write(event),
    onDrain: (resume) => exchange.onDrain(resume),
    end: () => exchange.end(),
  }
}

/** In front of each protobuf event on a stream; a message has its length from its frame. */
const LENGTH_BYTES = 4

class WebSocketSink implements WatchSink {
  readonly #ctx: RequestContext
  readonly #handshake: HeaderList
  readonly #clock: Clock
  readonly #binary: boolean
  #socket: WebSocket | undefined

  constructor(ctx: RequestContext, encoder: WatchEncoder, handshake: HeaderList, clock: Clock) {
    this.#ctx = ctx
    this.#handshake = handshake
    this.#clock = clock
    this.#binary = encoder.isBinary
  }
  open(): void {
    this.#socket = acceptWebSocket(this.#ctx, this.#handshake, this.#clock)
  }
  write(event: Uint8Array): boolean {
    if (this.#binary) return this.#socket!.send(event.subarray(LENGTH_BYTES), 'binary')
    return this.#socket!.send(event, 'text')
  }
  onDrain(resume: () => void): void {
    this.#socket!.onDrain(resume)
  }
  end(): void {
    this.#socket!.close()
  }
}

/**
 * One request and its answer on an HTTP/1.1 connection.
 *
 * Owns:     the answer's framing and the request body's decoder; the socket belongs to server-connection.ts.
 *
 *   waiting --respond--> responded --end, flushed--> finished(complete)
 *      `---- abort, client gone, takeOver closed ----^
 */
import type { Duplex, Readable } from 'node:stream'
import type { Connection, Exchange, HeaderList, Outcome } from '../exchange.ts'
import { ClientGoneError, ExchangeEnd } from '../exchange-end.ts'
import { expectsContinue } from '../expectation.ts'
import { ListView, tokensOf } from '../header-list.ts'
import { isTunnelProtocol } from '../tunnel-protocol.ts'
import { type BodySource, RequestBody } from '../request-body.ts'
import type { BodyDecoder } from './body-decoder.ts'
import type { RequestHead } from './message-head.ts'
import { type PreparedHead, fieldLines, joined, prepareHead } from './response-writer.ts'

/** What the exchange needs of its connection. */
export interface Http1Wire {
  readonly connection: Connection
  readonly retired: boolean
  dateValue(): string
  /** @returns false when the socket's buffer is full. */
  send(bytes: Uint8Array | string, flushed?: () => void): boolean
  wantBody(): void
  destroy(): void
  detach(): { stream: Duplex; head: Uint8Array }
  /** The answer is out. @param close whether the connection ends with it. */
  finished(exchange: Http1Exchange, close: boolean): void
}

/** A body that no handler reads is taken off the wire up to here, so that the connection can go on; more closes it. */
export const MAX_DISCARDED_BYTES = 262_144
const SMALL_BYTES = 16_384
/** More is handed to the socket piece by piece: what it is given at once is encrypted in one go. */
const PIECE_BYTES = 262_144
const EMPTY = new Uint8Array(0)

export class Http1Exchange implements Exchange, BodySource {
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly headers: ListView
  readonly upgrade: string | undefined
  readonly hasBody: boolean
  readonly #wire: Http1Wire
  readonly #end = new ExchangeEnd()
  readonly #decoder: BodyDecoder
  readonly #http10: boolean
  #phase: 'waiting' | 'responded' | 'finished' = 'waiting'
  #expectsContinue: boolean
  #body: RequestBody | undefined
  #bodyDiscarded = false
  #head: PreparedHead | undefined
  #status = 0
  #chunked = false
  #bodyless = false
  #close: boolean
  #ended = false
  /** The content-length of a head that went out. */
  #declared: number | undefined
  #sent = 0
  #received = 0
  #drained: (() => void)[] | undefined

  constructor(wire: Http1Wire, head: RequestHead, at: { target: string; authority: string }, decoder: BodyDecoder) {
    this.#wire = wire
    this.method = head.method
    this.target = at.target
    this.authority = at.authority
    this.headers = new ListView(head.headers)
    this.#decoder = decoder
    this.hasBody = !decoder.done
    this.#http10 = head.minorVersion === 0
    const connectionTokens = tokensOf(head.headers, 'connection')
    this.#close = this.#http10 ? !connectionTokens.includes('keep-alive') : connectionTokens.includes('close')
    this.upgrade = this.#http10 || !connectionTokens.includes('upgrade') ? undefined : this.#tunnelProtocol()
    this.#expectsContinue = this.hasBody && !this.#http10 && expectsContinue(head.headers)
  }

  #tunnelProtocol(): string | undefined {
    const [protocol, ...others] = this.headers.all('upgrade')
    return protocol !== undefined && others.length === 0 && isTunnelProtocol(protocol) ? protocol : undefined
  }
  get connection(): Connection {
    return this.#wire.connection
  }
  get phase(): 'waiting' | 'responded' | 'finished' {
    return this.#phase
  }
  get signal(): AbortSignal {
    return this.#end.signal
  }
  get bodyDone(): boolean {
    return this.#decoder.done
  }
  /** The bytes of the body's content. */
  get bytesIn(): number {
    return this.#received
  }
  /** True: bytes of the body have no reader yet, so the connection keeps them and stops reading. */
  get holdsBody(): boolean {
    return !this.#decoder.done && this.#body === undefined && !this.#bodyDiscarded
  }
  /** Someone waits for body bytes that do not come. */
  get starved(): boolean {
    const body = this.#body
    return body !== undefined && !this.#decoder.done && !this.#bodyDiscarded && body.readableLength === 0
  }

  body(): Readable {
    if (this.#body) return this.#body
    this.#body = new RequestBody(this)
    if (this.#decoder.done) this.#body.push(null)
    else if (this.#expectsContinue) {
      this.#expectsContinue = false
      if (this.#phase === 'waiting') this.#wire.send('HTTP/1.1 100 Continue\r\n\r\n')
    }
    return this.#body
  }
  resumeBody(): void {
    if (!this.#decoder.done) this.#wire.wantBody()
  }
  discardBody(): void {
    if (this.#decoder.done || this.#bodyDiscarded) return
    this.#bodyDiscarded = true
    if (this.#phase !== 'finished') this.#wire.wantBody()
  }
  /** Bytes from the connection. @returns the offset behind what belongs to this body. @throws ProtocolError */
  feed(bytes: Buffer, from: number): { at: number; full: boolean } {
    let full = false
    const at = this.#decoder.decode(bytes, from, (data) => {
      this.#received += data.length
      if (!this.#bodyDiscarded && !this.#body!.push(data)) full = true
    })
    if (this.#decoder.done && !this.#bodyDiscarded) this.#body!.push(null)
    return { at, full }
  }
  trailers(): HeaderList {
    return this.#decoder.trailers
  }

  inform(status: number, headers: HeaderList): void {
    if (this.#phase !== 'waiting' || this.#http10) return
    if (status === 100) this.#expectsContinue = false
    this.#wire.send(`HTTP/1.1 ${status} \r\n${fieldLines(headers)}\r\n`)
  }
  respond(status: number, headers: HeaderList, flush = false): void {
    if (this.#phase === 'finished') return
    if (this.#phase !== 'waiting') throw new Error('respond() was called twice')
    this.#head = prepareHead(status, headers)
    this.#phase = 'responded'
    this.#status = status
    this.#bodyless = this.method === 'HEAD' || status === 204 || status === 304
    if (flush) this.#wire.send(this.#takeHead(undefined))
  }
  write(chunk: Uint8Array): boolean {
    if (this.#phase !== 'responded' || this.#ended) return true
    if (this.#bodyless || chunk.length === 0) return true
    const head = this.#head ? this.#takeHead(undefined) : ''
    this.#sent += chunk.length
    return this.#sendFramed(head, chunk, '')
  }
  end(chunk: Uint8Array = EMPTY, trailers?: HeaderList): void {
    if (this.#phase !== 'responded' || this.#ended) return
    this.#ended = true
    const body = this.#bodyless ? EMPTY : chunk
    const hasTrailers = trailers !== undefined && trailers.length > 0
    const declared = this.#head?.contentLength ?? this.#declared
    const head = this.#head ? this.#takeHead(hasTrailers ? undefined : body.length) : ''
    this.#sent += body.length
    if (declared !== undefined && !this.#bodyless && declared !== this.#sent)
      return this.abort(new Error(`the answer has ${this.#sent} bytes where its content-length says ${declared}`))
    const tail = this.#chunked ? `0\r\n${hasTrailers ? fieldLines(trailers) : ''}\r\n` : ''
    // Nothing is left to send where the head went out before, with a length.
    if (head === '' && tail === '' && body.length === 0) this.#wire.send('', this.#flushed)
    else this.#sendPieces(head, body, tail)
  }
  onDrain(resume: () => void): void {
    if (this.#phase === 'finished') return
    ;(this.#drained ??= []).push(resume)
  }
  abort(cause: unknown): void {
    if (this.#phase === 'finished') return
    this.#settle('aborted', cause)
    this.#wire.destroy()
  }
  takeOver(status: 101 | 200, headers: HeaderList): { stream: Duplex; head: Uint8Array } {
    if (this.#phase !== 'waiting') throw new Error('the request was answered before')
    const lines = fieldLines(headers)
    this.#phase = 'responded'
    this.#status = status
    this.#wire.send(`HTTP/1.1 ${status} ${status === 101 ? 'Switching Protocols' : 'OK'}\r\n${lines}\r\n`)
    const taken = this.#wire.detach()
    taken.stream.once('close', () => this.#settle('taken-over', undefined))
    return taken
  }
  onFinish(fn: (o: Outcome) => void): void {
    this.#end.listen(fn)
  }

  /** From the connection: the socket can take more. */
  drained(): void {
    const waiting = this.#drained
    this.#drained = undefined
    for (const resume of waiting ?? []) resume()
  }
  /** From the connection: what came is no body. Its reader hears of it and answers; there is no request behind it. */
  bodyMalformed(error: Error): void {
    this.#close = true
    this.#bodyDiscarded = true
    this.#body?.destroy(error)
  }
  /** From the connection: the socket is gone. */
  clientGone(error: Error | undefined): void {
    this.#settle('client-gone', error ?? new ClientGoneError())
  }

  /** @param whole the body's length where all of it is known now: it becomes the content-length where none was named. */
  #takeHead(whole: number | undefined): string {
    const head = this.#head!
    this.#head = undefined
    this.#declared = head.contentLength
    let text = head.text
    if (head.contentLength === undefined && !this.#bodyless) {
      if (whole !== undefined) text += `Content-Length: ${whole}\r\n`
      else if (this.#http10) this.#close = true
      else {
        this.#chunked = true
        text += 'Transfer-Encoding: chunked\r\n'
      }
    }
    if (!head.hasDate) text += `Date: ${this.#wire.dateValue()}\r\n`
    // A client that waits for its 100 will not send the body of a request that is answered.
    if (head.close || this.#wire.retired || this.#expectsContinue || this.#leavesTooMuch()) this.#close = true
    if (this.#close) text += 'Connection: close\r\n'
    else if (this.#http10) text += 'Connection: keep-alive\r\n'
    return `${text}\r\n`
  }
  /** The client is to know that the connection ends with this answer: its next request would be lost on it. */
  #leavesTooMuch(): boolean {
    if (this.#decoder.done) return false
    return Number(this.headers.get('content-length') ?? 0) - this.#received > MAX_DISCARDED_BYTES
  }
  /** The last of an answer; each piece in a turn of the event loop of its own. */
  #sendPieces(head: string, body: Uint8Array, tail: string): void {
    if (body.length <= PIECE_BYTES) return void this.#sendFramed(head, body, tail, this.#flushed)
    const goOn = (): void => {
      if (this.#phase !== 'finished') this.#sendPieces('', body.subarray(PIECE_BYTES), tail)
    }
    if (this.#sendFramed(head, body.subarray(0, PIECE_BYTES), '')) setImmediate(goOn)
    else this.onDrain(() => setImmediate(goOn))
  }
  #sendFramed(head: string, body: Uint8Array, tail: string, flushed?: () => void): boolean {
    let before = head
    let after = tail
    if (this.#chunked && body.length > 0) {
      before += `${body.length.toString(16)}\r\n`
      after = `\r\n${tail}`
    }
    if (body.length === 0) return this.#wire.send(before + after, flushed)
    if (before === '' && after === '') return this.#wire.send(body, flushed)
    if (body.length <= SMALL_BYTES) return this.#wire.send(joined(before, body, after), flushed)
    if (before !== '') this.#wire.send(before)
    if (after === '') return this.#wire.send(body, flushed)
    this.#wire.send(body)
    return this.#wire.send(after, flushed)
  }
  readonly #flushed = (): void => {
    if (this.#phase === 'finished') return
    this.#settle('complete', undefined)
    this.#wire.finished(this, this.#close)
  }
  #settle(kind: Outcome['kind'], error: unknown): void {
    if (this.#phase === 'finished') return
    this.#phase = 'finished'
    if (this.#body && !this.#decoder.done)
      this.#body.destroy(kind === 'complete' ? undefined : error instanceof Error ? error : new ClientGoneError())
    this.#drained = undefined
    this.#end.settle({
      kind,
      status: this.#status,
      bytesIn: this.#received,
      bytesOut: this.#sent,
      ...(error === undefined ? {} : { error }),
    })
  }
}

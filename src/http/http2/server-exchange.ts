/**
 * One request and its answer on an HTTP/2 stream.
 *
 * Callers:  server-session.ts.
 *
 *   waiting --respond--> responded --end, sent--> finished(complete)
 *      `---- abort: RST_STREAM, client gone, takeOver closed ----^
 */
import type { Duplex, Readable } from 'node:stream'
import type { Connection, Exchange, HeaderList, Outcome } from '../exchange.ts'
import { ClientGoneError, ExchangeEnd } from '../exchange-end.ts'
import { expectsContinue } from '../expectation.ts'
import { isToken, ListView, lowerName, sendableValue } from '../header-list.ts'
import { type BodySource, RequestBody } from '../request-body.ts'
import { H2Code } from './errors.ts'
import type { HeaderBlock } from './hpack-decoder.ts'
import { MAX_WINDOW_BYTES } from './frames.ts'
import { Outbound } from './outbound.ts'
import type { Http2RequestHead } from './request-head.ts'
import { Http2Tunnel } from './tunnel.ts'
import type { Http2Wire } from './wire.ts'

export interface StreamOwner {
  dateValue(): string
  /** @param resetByUs frames of it may still be on their way. */
  ended(id: number, headerBytes: number, resetByUs: boolean): void
  /** The client broke the rules of one stream. */
  faulted(): void
}
export interface Http2ExchangeOptions {
  readonly id: number
  readonly wire: Http2Wire
  readonly owner: StreamOwner
  readonly connection: Connection
  readonly head: Http2RequestHead
  readonly headerBytes: number
}

/** What a client may send on a stream before it is taken in. Upstream: 256 KiB. */
export const STREAM_WINDOW_BYTES = 262_144
/** Names that HTTP/2 forbids: they speak of one connection. Source: RFC 9113 section 8.2.2. */
const FORBIDDEN = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])
const EMPTY = new Uint8Array(0)
const NONE: HeaderList = []

export class Http2Exchange implements Exchange, BodySource {
  readonly connection: Connection
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly headers: ListView
  readonly upgrade: string | undefined
  readonly hasBody: boolean
  readonly id: number
  readonly #wire: Http2Wire
  readonly #owner: StreamOwner
  readonly #headerBytes: number
  readonly #expected: number
  readonly #end = new ExchangeEnd()
  #phase: 'waiting' | 'responded' | 'finished' = 'waiting'
  #closed = false
  // The request.
  #body: RequestBody | Http2Tunnel | undefined
  #bodyDone: boolean
  #discarding = false
  #held: Buffer[] | undefined
  #trailers: HeaderList = NONE
  #received = 0
  #window = STREAM_WINDOW_BYTES
  #unacknowledged = 0
  #seenBytes = -1
  #starvedSinceMs = 0
  // The answer.
  #head: string[] | undefined
  #status = 0
  #bodyless = false
  #declared: number | undefined
  #hasDate = false
  #ended = false
  #outbound: Outbound | undefined
  /** Bytes that the client granted before anything was sent. */
  #granted = 0
  #sent = 0
  #drained: (() => void)[] | undefined

  constructor(o: Http2ExchangeOptions) {
    const { head } = o
    this.id = o.id
    this.#wire = o.wire
    this.#owner = o.owner
    this.#headerBytes = o.headerBytes
    this.#expected = head.contentLength
    this.connection = o.connection
    // What HTTP/1.1 asks for with a GET: all that goes by the method is to see the same.
    this.method = head.protocol === undefined ? head.method : 'GET'
    this.target = head.target
    this.authority = head.authority
    this.headers = new ListView(head.headers)
    this.upgrade = head.protocol
    this.hasBody = head.hasBody
    this.#bodyDone = !head.hasBody
    if (head.hasBody) this.#held = []
  }

  get phase(): 'waiting' | 'responded' | 'finished' {
    return this.#phase
  }
  get signal(): AbortSignal {
    return this.#end.signal
  }
  get bytesIn(): number {
    return this.#received
  }
  /** How long someone has waited for body bytes that do not come; asked about once a second. */
  starvedForMs(nowMs: number): number {
    const body = this.#body
    const starved = body instanceof RequestBody && !this.#bodyDone && body.readableLength === 0 && !body.destroyed
    if (!starved || this.#received !== this.#seenBytes) this.#starvedSinceMs = nowMs
    this.#seenBytes = this.#received
    return nowMs - this.#starvedSinceMs
  }

  body(): Readable {
    if (this.#body) return this.#body
    const body = new RequestBody(this)
    this.#body = body
    if (this.#phase === 'waiting' && !this.#bodyDone && expectsContinue(this.headers.raw)) this.inform(100, NONE)
    this.resumeBody()
    return body
  }
  resumeBody(): void {
    const body = this.#body
    const held = this.#held
    if (!body || !held) return
    this.#held = undefined
    let taken = 0
    while (taken < held.length && this.#held === undefined) this.#deliver(body, held[taken++]!)
    if (this.#held) this.#held = held.slice(taken)
    else if (this.#bodyDone && !body.destroyed) body.push(null)
  }
  discardBody(): void {
    if (this.#discarding) return
    this.#discarding = true
    for (const chunk of this.#held ?? []) this.#consumed(chunk.length)
    this.#held = undefined
  }
  trailers(): HeaderList {
    return this.#trailers
  }

  inform(status: number, headers: HeaderList): void {
    if (this.#phase !== 'waiting') return
    const fields = [':status', String(status)]
    for (let i = 0; i < headers.length; i += 2) this.#addField(fields, headers[i]!, headers[i + 1]!)
    this.#wire.sendHeaders(this.id, fields, false)
  }
  respond(status: number, headers: HeaderList, flush = false): void {
    if (this.#phase === 'finished') return
    if (this.#phase !== 'waiting') throw new Error('respond() was called twice')
    this.#head = this.#fieldsOf(status, headers)
    this.#phase = 'responded'
    this.#status = status
    this.#bodyless = this.method === 'HEAD' || status === 204 || status === 304
    if (flush) this.#sendHead(false)
  }
  write(chunk: Uint8Array): boolean {
    if (this.#phase !== 'responded' || this.#ended) return true
    if (this.#head) this.#sendHead(false)
    if (this.#bodyless || chunk.length === 0) return true
    this.#sent += chunk.length
    return this.#sending().write(chunk)
  }
  end(chunk: Uint8Array = EMPTY, trailers: HeaderList = NONE): void {
    if (this.#phase !== 'responded' || this.#ended) return
    this.#ended = true
    const body = this.#bodyless ? EMPTY : chunk
    this.#sent += body.length
    if (this.#declared !== undefined && !this.#bodyless && this.#declared !== this.#sent)
      return this.abort(new Error(`the answer has ${this.#sent} bytes where its content-length says ${this.#declared}`))
    const last = lastFields(trailers)
    if (this.#head) {
      if (!this.#bodyless && this.#declared === undefined && last.length === 0)
        this.#head.push('content-length', String(body.length))
      const headOnly = body.length === 0 && last.length === 0
      this.#sendHead(headOnly)
      if (headOnly) return this.#wire.onceSent(this.#complete)
    }
    const outbound = this.#sending()
    outbound.end(body, last)
    if (outbound.done) this.#wire.onceSent(this.#complete)
  }
  onDrain(resume: () => void): void {
    if (this.#phase !== 'finished') (this.#drained ??= []).push(resume)
  }
  abort(cause: unknown): void {
    if (this.#phase === 'finished') return
    this.#reset(H2Code.internal)
    this.#settle('aborted', cause)
  }
  takeOver(_status: 101 | 200, headers: HeaderList): { stream: Duplex; head: Uint8Array } {
    if (this.#phase !== 'waiting') throw new Error('the request was answered before')
    const fields = this.#fieldsOf(200, headers)
    this.#phase = 'responded'
    this.#status = 200
    this.#wire.sendHeaders(this.id, fields, false)
    const outbound = this.#sending()
    const tunnel = new Http2Tunnel({
      write: (chunk) => {
        if (chunk) this.#sent += chunk.length
        return chunk ? outbound.write(chunk) : (outbound.end(), outbound.done)
      },
      wantMore: () => this.resumeBody(),
      closed: (error) => {
        this.#reset(error || !outbound.done || !this.#bodyDone ? H2Code.cancel : undefined)
        this.#settle('taken-over', undefined)
      },
    })
    this.#body = tunnel
    if (this.#held) this.resumeBody()
    else tunnel.push(null)
    return { stream: tunnel, head: EMPTY }
  }
  onFinish(fn: (o: Outcome) => void): void {
    this.#end.listen(fn)
  }

  // What the connection reports.
  receive(chunk: Buffer, endStream: boolean, counted: number): void {
    this.#window -= counted
    this.#received += chunk.length
    if (this.#window < 0) return this.broken(H2Code.flowControl, 'more data than the stream window', counted)
    if (this.#bodyDone) return this.broken(H2Code.streamClosed, 'DATA behind the end', counted)
    if (this.#received > this.#expected || (endStream && this.#received < this.#expected))
      return this.broken(H2Code.protocol, 'a body that is not as long as it said', counted)
    if (counted > chunk.length) this.#consumed(counted - chunk.length)
    if (endStream) this.#bodyDone = true
    if (this.#discarding) this.#consumed(chunk.length)
    // Held bytes must not keep the whole chunk of the connection in memory.
    else if (this.#held) this.#held.push(Buffer.from(chunk))
    else if (this.#body) this.#deliver(this.#body, chunk)
    if (endStream) this.#requestEnded()
  }
  receiveTrailers(block: HeaderBlock, endStream: boolean): void {
    if (this.#bodyDone) return this.broken(H2Code.streamClosed, 'HEADERS behind the end', 0)
    const wrong = block.malformed || block.tooLarge || block.pseudo.length > 0 || !endStream
    if (wrong || this.#received < this.#expected) return this.broken(H2Code.protocol, 'malformed trailers', 0)
    this.#trailers = block.fields
    this.#bodyDone = true
    this.#requestEnded()
  }
  receiveReset(code: number): void {
    this.#gone(new ClientGoneError(`the client reset the stream (code ${code})`))
  }
  /** The connection is gone. */
  lost(error: Error | undefined): void {
    this.#gone(error ?? new ClientGoneError())
  }
  /** The client broke the rules. @param counted bytes that came with it. */
  broken(code: number, why: string, counted = 0): void {
    if (counted > 0) this.#wire.consumed(counted)
    this.#reset(code)
    this.#gone(new ClientGoneError(`http2: ${why}`))
    this.#owner.faulted()
  }
  /** @param isGrant of this stream alone: it counts also before anything is sent; other changes are of the initial window. */
  grow(bytes: number, isGrant: boolean): void {
    if (!this.#outbound) {
      if (isGrant) this.#granted += bytes
      if (this.#wire.initialWindow + this.#granted > MAX_WINDOW_BYTES)
        this.broken(H2Code.flowControl, 'stream window too large')
      return
    }
    try {
      this.#outbound.grow(bytes)
    } catch (e) {
      this.broken(H2Code.flowControl, (e as Error).message)
    }
  }
  #sending(): Outbound {
    return (this.#outbound ??= new Outbound(this.#wire, this.id, this.#granted))
  }
  /** The windows or the socket may take more. */
  wake(): void {
    if (this.#outbound?.wake() !== true) return
    if (this.#ended && this.#outbound.done) return this.#wire.onceSent(this.#complete)
    if (this.#body instanceof Http2Tunnel) this.#body.drained()
    const waiting = this.#drained
    this.#drained = undefined
    for (const resume of waiting ?? []) resume()
  }

  #deliver(body: RequestBody | Http2Tunnel, chunk: Buffer): void {
    if (!body.destroyed && chunk.length > 0 && !body.push(chunk)) this.#held ??= []
    this.#consumed(chunk.length)
  }
  #requestEnded(): void {
    if (!this.#held && this.#body && !this.#body.destroyed) this.#body.push(null)
  }
  #consumed(bytes: number): void {
    this.#wire.consumed(bytes)
    this.#unacknowledged += bytes
    if (this.#unacknowledged < STREAM_WINDOW_BYTES / 4 || this.#bodyDone || this.#closed) return
    this.#window += this.#unacknowledged
    this.#wire.sendWindowUpdate(this.id, this.#unacknowledged)
    this.#unacknowledged = 0
  }
  /** @throws TypeError on a name or value that cannot be sent. */
  #fieldsOf(status: number, headers: HeaderList): string[] {
    this.#declared = undefined
    this.#hasDate = false
    const fields = [':status', String(status)]
    for (let i = 0; i < headers.length; i += 2) this.#addField(fields, headers[i]!, headers[i + 1]!)
    if (!this.#hasDate) fields.push('date', this.#owner.dateValue())
    return fields
  }
  #addField(head: string[], name: string, value: string): void {
    const lower = lowerName(name)
    if (FORBIDDEN.has(lower)) {
      // Upstream's filters say so too: on HTTP/2 it means GOAWAY.
      if (lower === 'connection' && value.toLowerCase() === 'close') this.connection.retire()
      return
    }
    if (!isToken(name)) throw new TypeError(`header name ${JSON.stringify(name)} cannot be sent`)
    if (lower === 'content-length') this.#declared = Number(value)
    else if (lower === 'date') this.#hasDate = true
    head.push(lower, sendableValue(name, value))
  }
  #sendHead(endStream: boolean): void {
    this.#wire.sendHeaders(this.id, this.#head!, endStream)
    this.#head = undefined
  }
  readonly #complete = (): void => {
    // The answer is out; what is left of the request is not wanted any more.
    this.#reset(this.#bodyDone ? undefined : H2Code.noError)
    this.#settle('complete', undefined)
  }
  /** The stream is over. @param code undefined: both sides have said their end. */
  #reset(code: number | undefined): void {
    if (this.#closed) return
    this.#closed = true
    if (code !== undefined && !this.#wire.closed) this.#wire.sendReset(this.id, code)
    this.#owner.ended(this.id, this.#headerBytes, code !== undefined)
  }
  #gone(error: Error): void {
    if (!this.#closed) {
      this.#closed = true
      this.#owner.ended(this.id, this.#headerBytes, false)
    }
    if (this.#body instanceof Http2Tunnel) this.#body.destroy()
    else this.#settle('client-gone', error)
  }
  #settle(kind: Outcome['kind'], error: unknown): void {
    if (this.#phase === 'finished') return
    this.#phase = 'finished'
    this.#drained = undefined
    this.#discarding = true
    for (const chunk of this.#held ?? []) this.#wire.consumed(chunk.length)
    this.#held = undefined
    if (this.#body instanceof RequestBody && !this.#bodyDone)
      this.#body.destroy(kind === 'complete' ? undefined : error instanceof Error ? error : new ClientGoneError())
    this.#end.settle({
      kind,
      status: this.#status,
      bytesIn: this.#received,
      bytesOut: this.#sent,
      ...(error === undefined ? {} : { error }),
    })
  }
}

function lastFields(trailers: HeaderList): HeaderList {
  if (trailers.length === 0) return NONE
  const fields: string[] = []
  for (let i = 0; i < trailers.length; i += 2) {
    const name = trailers[i]!.toLowerCase()
    if (isToken(name) && !FORBIDDEN.has(name)) fields.push(name, sendableValue(name, trailers[i + 1]!))
  }
  return fields
}

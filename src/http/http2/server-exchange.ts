/**
 * One request and its answer on an HTTP/2 stream.
 *
 * Owns:     the stream; its session belongs to server-session.ts.
 *
 *   waiting --respond--> responded --end--> (sent) --closed by both--> finished(complete)
 *      `---- abort: RST_STREAM, client gone, takeOver closed ----^
 */
import { type ServerHttp2Stream, constants } from 'node:http2'
import type { Duplex, Readable } from 'node:stream'
import type { Connection, Exchange, HeaderList, Outcome } from '../exchange.ts'
import { ClientGoneError, ExchangeEnd } from '../exchange-end.ts'
import { isNamed, isToken, ListView, sendableValue } from '../header-list.ts'
import { type BodySource, RequestBody } from '../request-body.ts'

export interface Http2RequestHead {
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly protocol: string | undefined
  readonly headers: HeaderList
  readonly hasBody: boolean
}

/** Names that HTTP/2 forbids: they speak of one connection. Source: RFC 9113 section 8.2.2. */
const FORBIDDEN = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])
const EMPTY = new Uint8Array(0)
const noop = (): void => {}

export class Http2Exchange implements Exchange, BodySource {
  readonly connection: Connection
  readonly method: string
  readonly target: string
  readonly authority: string
  readonly headers: ListView
  readonly upgrade: string | undefined
  readonly hasBody: boolean
  readonly #stream: ServerHttp2Stream
  readonly #end = new ExchangeEnd()
  #phase: 'waiting' | 'responded' | 'finished' = 'waiting'
  #head: string[] | undefined
  #status = 0
  #body: RequestBody | undefined
  #bodyDone: boolean
  #trailers: HeaderList = []
  #bodyless = false
  #hasLength = false
  #ended = false
  #takenOver = false
  #sentTrailers: HeaderList | undefined
  #cause: { readonly error: unknown } | undefined
  #sent = 0
  #received = 0

  constructor(stream: ServerHttp2Stream, head: Http2RequestHead, connection: Connection) {
    this.#stream = stream
    this.connection = connection
    this.method = head.method
    this.target = head.target
    this.authority = head.authority
    this.headers = new ListView(head.headers)
    this.upgrade = head.protocol
    this.hasBody = head.hasBody
    this.#bodyDone = !head.hasBody
    stream.on('error', noop)
    stream.on('close', this.#onClose)
    stream.on('aborted', this.#onAborted)
    // A stream without a body is not read: Node does so itself at its close, and destroying it only then saves an
    // Error, with its stack trace, per request.
    if (head.hasBody && head.protocol === undefined) {
      stream.on('trailers', (_headers: unknown, _flags: unknown, raw?: string[]) => {
        this.#trailers = raw ?? []
      })
    }
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
  /** Someone waits for body bytes that do not come. */
  get starved(): boolean {
    return this.#body !== undefined && !this.#bodyDone && this.#body.readableLength === 0 && !this.#body.destroyed
  }

  body(): Readable {
    if (this.#body) return this.#body
    const body = new RequestBody(this)
    this.#body = body
    if (this.#bodyDone || this.#phase === 'finished') {
      body.push(null)
      return body
    }
    if (this.#phase === 'waiting' && this.headers.get('expect')?.toLowerCase() === '100-continue')
      this.#stream.additionalHeaders({ ':status': 100 })
    this.#stream.on('data', (data: Buffer) => {
      this.#received += data.length
      if (!body.destroyed && !body.push(data)) this.#stream.pause()
    })
    this.#stream.on('end', () => {
      this.#bodyDone = true
      if (!body.destroyed && !this.#stream.aborted) body.push(null)
    })
    this.#stream.pause()
    return body
  }
  resumeBody(): void {
    if (!this.#bodyDone) this.#stream.resume()
  }
  discardBody(): void {
    if (!this.#bodyDone && this.#phase !== 'finished') this.#stream.resume()
  }
  trailers(): HeaderList {
    return this.#trailers
  }

  inform(status: number, headers: HeaderList): void {
    if (this.#phase !== 'waiting' || this.#stream.destroyed) return
    const fields: Record<string, number | string | string[]> = { ':status': status }
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i]!.toLowerCase()
      if (name === '__proto__' || FORBIDDEN.has(name)) continue
      const before = fields[name]
      fields[name] = before === undefined ? headers[i + 1]! : [before, headers[i + 1]!].flat().map(String)
    }
    this.#stream.additionalHeaders(fields)
  }
  respond(status: number, headers: HeaderList, flush = false): void {
    if (this.#phase === 'finished') return
    if (this.#phase !== 'waiting') throw new Error('respond() was called twice')
    const head = [':status', String(status)]
    for (let i = 0; i < headers.length; i += 2) this.#addField(head, headers[i]!, headers[i + 1]!)
    this.#head = head
    this.#phase = 'responded'
    this.#status = status
    this.#bodyless = this.method === 'HEAD' || status === 204 || status === 304
    if (flush) this.#sendHead(false)
  }
  write(chunk: Uint8Array): boolean {
    if (this.#phase !== 'responded' || this.#ended || this.#stream.destroyed) return true
    if (this.#head) this.#sendHead(false)
    if (this.#bodyless || chunk.length === 0) return true
    this.#sent += chunk.length
    return this.#stream.write(chunk)
  }
  end(chunk: Uint8Array = EMPTY, trailers?: HeaderList): void {
    if (this.#phase !== 'responded' || this.#ended || this.#stream.destroyed) return
    this.#ended = true
    const body = this.#bodyless ? EMPTY : chunk
    if (trailers !== undefined && trailers.length > 0) this.#sentTrailers = trailers
    const headOnly = this.#head !== undefined && body.length === 0 && !this.#sentTrailers
    if (this.#head) {
      if (!this.#bodyless && !this.#hasLength && !this.#sentTrailers)
        this.#head.push('content-length', String(body.length))
      this.#sendHead(headOnly)
    }
    this.#sent += body.length
    if (this.#body === undefined && !this.#bodyDone) this.#stream.resume()
    if (headOnly) return
    if (body.length === 0) this.#stream.end()
    else this.#stream.end(body)
  }
  onDrain(resume: () => void): void {
    if (this.#phase !== 'finished') this.#stream.once('drain', resume)
  }
  abort(cause: unknown): void {
    if (this.#phase === 'finished' || this.#cause) return
    this.#cause = { error: cause }
    // close(code) would end the answer cleanly first; destroying with an error sends RST_STREAM alone.
    this.#stream.destroy(cause instanceof Error ? cause : new Error('the request was given up'))
    this.#settle('aborted', cause)
  }
  takeOver(status: 101 | 200, headers: HeaderList): { stream: Duplex; head: Uint8Array } {
    if (this.#phase !== 'waiting') throw new Error('the request was answered before')
    const head = [':status', String(status === 101 ? 200 : status)]
    for (let i = 0; i < headers.length; i += 2) this.#addField(head, headers[i]!, headers[i + 1]!)
    this.#phase = 'responded'
    this.#status = 200
    this.#takenOver = true
    this.#stream.respond(head)
    return { stream: this.#stream, head: EMPTY }
  }
  onFinish(fn: (o: Outcome) => void): void {
    this.#end.listen(fn)
  }

  #addField(head: string[], name: string, value: string): void {
    const lower = name.toLowerCase()
    if (FORBIDDEN.has(lower)) {
      // Upstream's filters say so too: on HTTP/2 it means GOAWAY.
      if (isNamed(lower, 'connection') && value.toLowerCase() === 'close') this.connection.retire()
      return
    }
    if (!isToken(name)) throw new TypeError(`header name ${JSON.stringify(name)} cannot be sent`)
    if (lower === 'content-length') this.#hasLength = true
    head.push(lower, sendableValue(name, value))
  }
  #sendHead(endStream: boolean): void {
    const head = this.#head!
    this.#head = undefined
    // Trailers need their own last frame; an answer whose length is known has none.
    const waitForTrailers = !endStream && (this.#sentTrailers !== undefined || (!this.#hasLength && !this.#ended))
    if (waitForTrailers) this.#stream.once('wantTrailers', this.#onWantTrailers)
    this.#stream.respond(head, waitForTrailers ? { waitForTrailers } : endStream ? { endStream } : {})
  }
  readonly #onWantTrailers = (): void => {
    const fields: Record<string, string | string[]> = {}
    const trailers = this.#sentTrailers ?? []
    for (let i = 0; i < trailers.length; i += 2) {
      const name = trailers[i]!.toLowerCase()
      if (name === '__proto__' || FORBIDDEN.has(name)) continue
      const before = fields[name]
      fields[name] = before === undefined ? trailers[i + 1]! : [before, trailers[i + 1]!].flat()
    }
    this.#stream.sendTrailers(fields)
  }
  readonly #onAborted = (): void => {
    // A paused reader would keep the stream, and with it this request, alive.
    this.#stream.destroy()
  }
  readonly #onClose = (): void => {
    const code = this.#stream.rstCode
    if (this.#takenOver) this.#settle('taken-over', undefined)
    else if (this.#ended && code === constants.NGHTTP2_NO_ERROR) this.#settle('complete', undefined)
    else this.#settle('client-gone', new ClientGoneError(`the client reset the stream (code ${code})`))
    // Node's session may remember the stream for a while (dead tables of its Map that survive in the old generation):
    // it must not remember the request with it.
    this.#stream.removeAllListeners()
    this.#stream.on('error', noop)
  }
  #settle(kind: Outcome['kind'], error: unknown): void {
    if (this.#phase === 'finished') return
    this.#phase = 'finished'
    if (this.#body && !this.#bodyDone) this.#body.destroy(error instanceof Error ? error : undefined)
    this.#end.settle({
      kind,
      status: this.#status,
      bytesIn: this.#received,
      bytesOut: this.#sent,
      ...(error === undefined ? {} : { error }),
    })
  }
}

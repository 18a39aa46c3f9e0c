/** A request without a wire, for tests of filters and handlers: what is answered is recorded. */
import { PassThrough, type Readable } from 'node:stream'
import type { Connection, Exchange, HeaderList, HeaderView, Outcome } from '../../src/http/exchange.ts'
import { RequestContext } from '../../src/http/request-context.ts'
import { parseRequestInfo } from '../../src/http/request-info.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { isLongRunning } from '../../src/servers/generic/long-running.ts'

export interface FakeRequest {
  readonly method?: string
  readonly target?: string
  /** Lower-case names. */
  readonly headers?: Readonly<Record<string, string>>
  /** Name, value, name, value ... after those; only as a list. */
  readonly rawHeaders?: HeaderList
  readonly protocol?: Connection['protocol']
  readonly upgrade?: string
  readonly body?: Readable
}

export class FakeExchange implements Exchange {
  readonly connection: Connection
  readonly method: string
  readonly target: string
  readonly authority = 'localhost'
  readonly headers: HeaderView
  readonly upgrade: string | undefined
  readonly signal = new AbortController().signal
  readonly hasBody: boolean
  readonly #body: Readable
  phase: Exchange['phase'] = 'waiting'
  status = 0
  /** What was answered: lower-case names. */
  answered: Record<string, string> = {}
  text = ''
  aborted: unknown
  /** How often the connection was retired. */
  retired = 0
  readonly #finish: ((o: Outcome) => void)[] = []

  constructor(o: FakeRequest) {
    this.method = o.method ?? 'GET'
    this.upgrade = o.upgrade
    this.hasBody = o.body !== undefined
    this.#body = o.body ?? new PassThrough().end()
    this.target = o.target ?? '/'
    this.upgrade = o.upgrade
    const headers = o.headers ?? {}
    this.headers = {
      raw: [...Object.entries(headers).flat(), ...(o.rawHeaders ?? [])],
      get: (name) => headers[name],
      all: (name) => (headers[name] === undefined ? [] : [headers[name]]),
      has: (name) => headers[name] !== undefined,
    }
    this.connection = {
      id: 1,
      remoteAddress: '192.0.2.1',
      remotePort: 1,
      localPort: 6443,
      protocol: o.protocol ?? 'http/1.1',
      secure: true,
      clientCertificate: undefined,
      hasBadCertificate: false,
      retire: () => {
        this.retired++
      },
    }
  }
  body(): Readable {
    return this.#body
  }
  trailers(): HeaderList {
    return []
  }
  inform(): void {}
  respond(status: number, headers: HeaderList): void {
    this.phase = 'responded'
    this.status = status
    for (let i = 0; i < headers.length; i += 2) this.answered[headers[i]!.toLowerCase()] = headers[i + 1]!
  }
  write(chunk: Uint8Array): boolean {
    this.text += Buffer.from(chunk).toString()
    return true
  }
  onDrain(_fn: () => void): void {}
  end(chunk?: Uint8Array): void {
    if (chunk) this.write(chunk)
    this.#over('complete')
  }
  abort(cause: unknown): void {
    this.aborted = cause
    this.#over('aborted')
  }
  takeOver(): never {
    throw new Error('there is no wire')
  }
  onFinish(fn: (o: Outcome) => void): void {
    this.#finish.push(fn)
  }
  #over(kind: Outcome['kind']): void {
    if (this.phase === 'finished') return
    this.phase = 'finished'
    for (const fn of this.#finish) fn({ kind, status: this.status, bytesIn: 0, bytesOut: this.text.length })
  }
}

/** With its RequestInfo read already. */
export function fakeRequest(o: FakeRequest, clock: Clock): { exchange: FakeExchange; ctx: RequestContext } {
  const exchange = new FakeExchange(o)
  const ctx = new RequestContext(exchange, clock)
  ctx.info = parseRequestInfo(exchange.method, ctx.path, ctx.query)
  ctx.longRunning = isLongRunning(ctx.info)
  return { exchange, ctx }
}

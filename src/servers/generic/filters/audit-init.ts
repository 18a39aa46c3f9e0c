import type { Filter } from '../../../http/filter.ts'
import { RandomTexts } from '../../../lib/random-texts.ts'
import type { LogFields, Logger } from '../../../observability/logger.ts'

/** Version 4 UUIDs. */
const uuids = new RandomTexts('xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx')

export function auditInitFilter(log: Logger, newId = (): string => uuids.next()): Filter {
  return {
    name: 'audit-init',
    about: "Names the request: the client's Audit-ID or a new one, on the answer and on each log line of it.",
    wrap: (next) => (ctx) => {
      ctx.auditId = ctx.exchange.headers.get('audit-id') || newId()
      ctx.answerHeaders.push('Audit-Id', ctx.auditId)
      ctx.log = new RequestLog(log, ctx.auditId)
      return next(ctx)
    },
  }
}

/** Most requests log nothing: the child is made on the first line. */
class RequestLog implements Logger {
  readonly v: number
  readonly #parent: Logger
  readonly #auditId: string
  #made: Logger | undefined

  constructor(parent: Logger, auditId: string) {
    this.v = parent.v
    this.#parent = parent
    this.#auditId = auditId
  }
  error(message: string, fields?: LogFields): void {
    this.#own.error(message, fields)
  }
  warn(message: string, fields?: LogFields): void {
    this.#own.warn(message, fields)
  }
  info(message: string, fields?: LogFields): void {
    this.#own.info(message, fields)
  }
  get verbose(): Logger['verbose'] {
    return this.#parent.verbose && ((message, fields) => this.#own.verbose!(message, fields))
  }
  get debug(): Logger['debug'] {
    return this.#parent.debug && ((message, fields) => this.#own.debug!(message, fields))
  }
  child(fields: LogFields): Logger {
    return this.#own.child(fields)
  }
  get #own(): Logger {
    this.#made ??= this.#parent.child({ auditId: this.#auditId })
    return this.#made
  }
}

import type { RequestContext } from './request-context.ts'

/**
 * Starts the answer; it is over at exchange.onFinish, not on return. Before respond(): throw or ctx.fail(e).
 * After: exchange.abort(e). Callbacks of a request run through ctx.guard(fn), so that a throw fails that request alone.
 */
export type Handler = (ctx: RequestContext) => void | Promise<void>
export interface Filter {
  readonly name: string
  wrap(next: Handler): Handler
}

/** Wraps once, at start-up; the first filter of the list runs first. */
export function compose(filters: readonly Filter[], last: Handler): Handler {
  return filters.reduceRight((next, filter) => filter.wrap(next), last)
}

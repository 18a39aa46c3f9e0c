import type { RequestContext } from './request-context.ts'

/**
 * Starts the answer; it is over at exchange.onFinish, not on return. Before respond(): throw or ctx.fail(e).
 * After: exchange.abort(e). Callbacks of a request run through ctx.guard(fn), so that a throw fails that request alone.
 */
export type Handler = (ctx: RequestContext) => void | Promise<void>
export interface Filter {
  readonly name: string
  /** One sentence: `portico filters` and docs/filters.md show it. */
  readonly about: string
  wrap(next: Handler): Handler
}

/** How long a filter took, from its entry to the entry of the next one. */
export interface FilterTimer {
  /** @returns undefined for a filter that is not timed. */
  bind(filter: string): { observe(seconds: number): void } | undefined
  monotonicMs(): number
}

/** Wraps once, at start-up; the first filter of the list runs first. The one place that times filters. */
export function compose(filters: readonly Filter[], last: Handler, timer?: FilterTimer): Handler {
  return filters.reduceRight((next, filter) => {
    const histogram = timer?.bind(filter.name)
    return timer && histogram ? timed(filter, next, timer, histogram) : filter.wrap(next)
  }, last)
}

function timed(
  filter: Filter,
  next: Handler,
  timer: FilterTimer,
  histogram: { observe(seconds: number): void },
): Handler {
  const inner = filter.wrap((ctx) => {
    histogram.observe((timer.monotonicMs() - ctx.filterStartMs) / 1000)
    return next(ctx)
  })
  return (ctx) => {
    ctx.filterStartMs = timer.monotonicMs()
    return inner(ctx)
  }
}

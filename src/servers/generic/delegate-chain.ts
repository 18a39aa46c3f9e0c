/** Hands each request to the first delegate that claims it. */
import type { Handler } from '../../http/filter.ts'
import type { RequestInfo } from '../../http/request-info.ts'
import type { Delegate, Route } from './delegate.ts'
import { notFoundHandler } from './not-found.ts'

export function routeOf(delegates: readonly Delegate[], info: RequestInfo, method: string): Route | undefined {
  for (const delegate of delegates) {
    const route = delegate.route(info, method)
    if (route) return route
  }
  return undefined
}

export function delegateChain(delegates: readonly Delegate[]): Handler {
  const notFound = notFoundHandler(delegates)
  return (ctx) => {
    const route = routeOf(delegates, ctx.info, ctx.exchange.method)
    return route ? route.handler(ctx) : notFound(ctx)
  }
}

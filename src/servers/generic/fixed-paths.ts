/**
 * The delegate of paths that belong to no API: exact matches first, then prefixes, longest first.
 * Callers: app/run/wire.ts registers what it serves (health, version, metrics, discovery, OpenAPI).
 */
import type { Handler } from '../../http/filter.ts'
import type { RequestInfo } from '../../http/request-info.ts'
import { Publisher } from '../../lib/published.ts'
import type { Delegate, Route } from './delegate.ts'

export interface FixedPath {
  readonly handler: Handler
  /** Shown in `/`; default true for exact paths. */
  readonly listed?: boolean
}

export class FixedPaths implements Delegate {
  readonly name = 'portico'
  readonly discovery = new Publisher([])
  readonly installed = new Publisher(true)
  readonly postStartHooks = []
  readonly healthChecks = []
  readonly #exact = new Map<string, FixedPath & { route: Route }>()
  #prefixes: { prefix: string; route: Route }[] = []

  exact(path: string, o: FixedPath): void {
    const handler: Handler = (ctx) => {
      ctx.served('apiserver', path)
      return o.handler(ctx)
    }
    this.#exact.set(path, { ...o, route: { handler, owner: this.name, reason: `fixed path ${path}` } })
  }
  /** @param prefix ends with a slash. */
  prefix(prefix: string, handler: Handler): void {
    const labelled: Handler = (ctx) => {
      ctx.served('apiserver', prefix)
      return handler(ctx)
    }
    this.#prefixes.push({ prefix, route: { handler: labelled, owner: this.name, reason: `fixed prefix ${prefix}` } })
    this.#prefixes.sort((a, b) => b.prefix.length - a.prefix.length)
  }
  route(info: RequestInfo): Route | undefined {
    if (info.isResourceRequest) return undefined
    return this.#exact.get(info.path)?.route ?? this.#prefixes.find((p) => info.path.startsWith(p.prefix))?.route
  }
  listedPaths(): readonly string[] {
    return [...this.#exact].filter(([, o]) => o.listed !== false).map(([path]) => path)
  }
}

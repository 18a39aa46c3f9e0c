/** Which handler serves a verb of a resource: the two-form grammar of kube-apiserver's installer. */
import { genericServerResponse } from '../api/status-error.ts'
import type { Handler } from '../http/filter.ts'
import type { RequestInfo } from '../http/request-info.ts'
import { createHandler } from './create.ts'
import { deleteCollectionHandler } from './delete-collection.ts'
import { deleteHandler } from './delete.ts'
import { getHandler } from './get.ts'
import { listHandler } from './list.ts'
import { patchHandler } from './patch.ts'
import type { Scope } from './scope.ts'
import { updateHandler } from './update.ts'
import { watchHandler } from './watch.ts'

/** Handlers by verb, of the resource itself or of one subresource. */
export type VerbHandlers = Partial<
  Record<'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection', Handler>
>

/** @param verbs those that discovery names; the others answer 405. */
export function verbHandlers(scope: Scope, verbs: readonly string[]): VerbHandlers {
  const all: Required<VerbHandlers> = {
    get: getHandler(scope),
    list: listHandler(scope),
    watch: watchHandler(scope),
    create: createHandler(scope),
    update: updateHandler(scope),
    patch: patchHandler(scope),
    delete: deleteHandler(scope),
    deletecollection: deleteCollectionHandler(scope),
  }
  return Object.fromEntries(Object.entries(all).filter(([verb]) => verbs.includes(verb)))
}

export type Level = 'collection' | 'item' | 'all-namespaces'
const LEVEL_VERBS: Record<Level, readonly string[]> = {
  collection: ['list', 'watch', 'create', 'deletecollection'],
  item: ['get', 'watch', 'update', 'patch', 'delete'],
  // Objects of a namespaced resource are made and deleted within a namespace only.
  'all-namespaces': ['list', 'watch'],
}

/** @returns undefined for one object of a namespaced resource without its namespace: there is no such path. */
export function levelOf(info: RequestInfo, namespaced: boolean): Level | undefined {
  if (info.parts.length >= 2) return namespaced && info.namespace === '' ? undefined : 'item'
  return namespaced && info.namespace === '' ? 'all-namespaces' : 'collection'
}

/** The verb of the grammar, by level: a name pinned by a field selector does not turn a list into a get. */
export function pickHandler(handlers: VerbHandlers, info: RequestInfo, method: string, level: Level): Handler {
  const verb = info.verb as keyof VerbHandlers
  const found = verb === 'watch' && level === 'item' && !info.verbInPath ? handlers.get : handlers[verb]
  // A get with `watch=1` is a get; only the old path that starts with `watch` follows one object.
  return found && isRouted(info, method) && LEVEL_VERBS[level].includes(verb) ? found : methodNotAllowed
}

/** POST of a subresource (tokens, bindings) is its only verb: the level does not matter there. */
export function pickSubresourceHandler(handlers: VerbHandlers, info: RequestInfo, method: string): Handler {
  const found = handlers[info.verb as keyof VerbHandlers]
  return found && isRouted(info, method) ? found : methodNotAllowed
}

/** HEAD is authorized as a get, but no route takes it; a verb in the path is that of a GET alone. */
function isRouted(info: RequestInfo, method: string): boolean {
  return method !== 'HEAD' && (method === 'GET' || !info.verbInPath)
}

/** The handler of a route that takes GET alone; HEAD is another method. */
export function getOnly(handler: Handler): Handler {
  return (ctx) => (ctx.exchange.method === 'GET' ? handler(ctx) : methodNotAllowed(ctx))
}

/** Answers every method and verb that is not served on a path that is. */
export const methodNotAllowed: Handler = (ctx) => {
  throw genericServerResponse(405, ctx.exchange.method, { group: '', resource: '' }, '')
}

/** Which delegate would serve a request, and whether a user may make it. Nothing is served. */
import type { Authorizer } from '../../access/authorization/authorizer.ts'
import type { UserInfo } from '../../api/meta.ts'
import { badRequest } from '../../api/status-error.ts'
import { attributesFor } from '../../access/authorization/attributes.ts'
import { type RequestInfo, parseRequestInfo } from '../../http/request-info.ts'
import type { Delegate } from './delegate.ts'

export interface RouteQuestion {
  readonly method: string
  /** Path and query. */
  readonly target: string
  readonly user: UserInfo
}
/** The JSON that `portico routes` reads. */
export interface RouteExplanation {
  readonly method: string
  readonly path: string
  readonly verb: string
  readonly resource?: {
    readonly group: string
    readonly version: string
    readonly namespace: string
    readonly resource: string
    readonly subresource: string
    readonly name: string
  }
  /** Absent: no delegate serves it. */
  readonly delegate?: string
  readonly owner?: string
  /** It is refused for every user: 405 for a method that is not served there. */
  readonly refusedWith?: number
  readonly reason: string
  /** Delegates before it that did not claim it. */
  readonly passed: readonly string[]
  readonly access: { readonly user: string; readonly decision: string; readonly reason: string }
}

/** @throws StatusError 400 for what is no path. */
export async function explainRoute(
  question: RouteQuestion,
  o: { delegates: readonly Delegate[]; authorizer: Authorizer },
): Promise<{ explanation: RouteExplanation; info: RequestInfo }> {
  const info = infoOf(question)
  const passed: string[] = []
  let found: Partial<RouteExplanation> & { reason: string } = { reason: 'no delegate claims it: 404' }
  for (const delegate of o.delegates) {
    const route = delegate.route(info, question.method)
    if (route) {
      const { owner, reason, refusedWith } = route
      found = { delegate: delegate.name, owner, reason }
      if (refusedWith === 405)
        found = { ...found, refusedWith, reason: `${reason}, but takes no ${question.method}: 405` }
      break
    }
    passed.push(delegate.name)
    if (!delegate.installed.value) found = { reason: 'no delegate claims it, and not all know their paths yet: 503' }
  }
  const decision = await o.authorizer.authorize(attributesFor(info, question.user))
  const { apiGroup, apiVersion, namespace, resource, subresource, name } = info
  const explanation = {
    method: question.method,
    path: info.path,
    verb: info.verb,
    ...(info.isResourceRequest
      ? { resource: { group: apiGroup, version: apiVersion, namespace, resource, subresource, name } }
      : {}),
    ...found,
    passed,
    access: { user: question.user.name, decision: decision.kind, reason: decision.reason },
  }
  return { explanation, info }
}

function infoOf({ method, target }: RouteQuestion): RequestInfo {
  if (!target.startsWith('/')) throw badRequest('path: must begin with a slash')
  const [path = '', query = ''] = target.split(/\?(.*)/s)
  try {
    return parseRequestInfo(method, decodeURIComponent(path), new URLSearchParams(query))
  } catch (e) {
    throw badRequest(`path: ${(e as Error).message}`)
  }
}

import type { UserInfo } from '../../api/meta.ts'
import type { RequestContext } from '../../http/request-context.ts'
import type { RequestInfo } from '../../http/request-info.ts'
import type { Attributes } from './authorizer.ts'
import { readFieldRequirements, readLabelRequirements, requirementsOf } from './selector-requirements.ts'

/** What the request wants, read off its RequestInfo. */
export function attributesOf(ctx: RequestContext): Attributes {
  return attributesFor(ctx.info, ctx.user!)
}
export function attributesFor(info: RequestInfo, user: UserInfo): Attributes {
  return {
    user,
    verb: info.verb,
    isResourceRequest: info.isResourceRequest,
    path: info.path,
    apiGroup: info.apiGroup,
    apiVersion: info.apiVersion,
    namespace: info.namespace,
    resource: info.resource,
    subresource: info.subresource,
    name: info.name,
    fieldSelector: requirementsOf(readFieldRequirements, info.fieldSelector),
    labelSelector: requirementsOf(readLabelRequirements, info.labelSelector),
  }
}

/** `User "jane" cannot list resource "pods" in API group "" in the namespace "default"`. */
export function refusal(a: Attributes, reason: string): string {
  const because = reason === '' ? '' : `: ${reason}`
  if (!a.isResourceRequest) return `User ${quote(a.user.name)} cannot ${a.verb} path ${quote(a.path)}${because}`
  const resource = a.subresource === '' ? a.resource : `${a.resource}/${a.subresource}`
  const where = a.namespace === '' ? 'at the cluster scope' : `in the namespace ${quote(a.namespace)}`
  return `User ${quote(a.user.name)} cannot ${a.verb} resource ${quote(resource)} in API group ${quote(a.apiGroup)} ${where}${because}`
}

const HTML: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }
/** The text may end up in a browser. */
const quote = (text: string): string => `"${text.replace(/[&<>]/g, (c) => HTML[c]!)}"`

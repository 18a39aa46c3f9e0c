import type { UserInfo } from '../../api/meta.ts'

/** What somebody wants to do: what an authorizer judges, and what a SubjectAccessReview describes. */
export interface Attributes {
  readonly user: UserInfo
  readonly verb: string
  readonly isResourceRequest: boolean
  readonly path: string
  readonly apiGroup: string
  readonly apiVersion: string
  readonly namespace: string
  readonly resource: string
  readonly subresource: string
  readonly name: string
}
export type Decision = {
  readonly kind: 'allow' | 'deny' | 'no-opinion'
  readonly reason: string
  readonly error?: unknown
}

export interface Authorizer {
  readonly name: string
  authorize(a: Attributes): Decision | Promise<Decision>
}

import type { UserInfo } from '../../api/meta.ts'

/** A condition on a field or a label that all objects of a list, watch or deletecollection meet. */
export interface SelectorRequirement {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  /** Absent for Exists and DoesNotExist. */
  readonly values?: readonly string[]
}

/** What a user wants to do: what an authorizer judges, and what a SubjectAccessReview describes. */
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
  /** All hold. Absent: the request is not limited to fewer objects. */
  readonly fieldSelector?: readonly SelectorRequirement[] | undefined
  readonly labelSelector?: readonly SelectorRequirement[] | undefined
}
export type Decision = {
  readonly kind: 'allow' | 'deny' | 'no-opinion'
  readonly reason: string
  readonly error?: unknown
}

export interface ResourceRule {
  readonly verbs: readonly string[]
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly resourceNames?: readonly string[]
}
export interface NonResourceRule {
  readonly verbs: readonly string[]
  readonly nonResourceURLs: readonly string[]
}
/** What an authorizer allows a user, as a SelfSubjectRulesReview lists it. */
export interface Rules {
  readonly resourceRules: readonly ResourceRule[]
  readonly nonResourceRules: readonly NonResourceRule[]
  /** Why these may not be all. */
  readonly problems: readonly string[]
}

export interface Authorizer {
  readonly name: string
  /** In one namespace. Absent: it cannot tell. */
  rulesOf?(user: UserInfo, namespace: string): Rules
  authorize(a: Attributes): Decision | Promise<Decision>
}

/**
 * The default authorizer while there are no roles: a short list in this file. Everything it does not name
 * is for system:masters.
 */
import type { UserInfo } from '../../api/meta.ts'
import { SYSTEM_AUTHENTICATED } from '../groups.ts'
import type { Attributes, Authorizer, Decision, NonResourceRule, ResourceRule } from './authorizer.ts'

/** Aggregated API servers that delegate authentication and authorization to us. */
export const BACKENDS_GROUP = 'portico:backends'

interface Rule {
  readonly name: string
  /** Undefined: everyone, anonymous included. */
  readonly group?: string
  matches(a: Attributes): boolean
  /** The same, as a SelfSubjectRulesReview tells it. */
  readonly resourceRules?: readonly ResourceRule[]
  readonly nonResourceRules?: readonly NonResourceRule[]
  /** Where resourceRules hold; absent: everywhere. */
  readonly namespace?: string
}

const PUBLIC = new Set(['/healthz', '/livez', '/readyz', '/version', '/version/'])
const DISCOVERY = ['/api', '/apis', '/openapi']
const REVIEWS = new Set(['authentication.k8s.io/tokenreviews', 'authorization.k8s.io/subjectaccessreviews'])
const SELF_REVIEWS = new Set([
  'authentication.k8s.io/selfsubjectreviews',
  'authorization.k8s.io/selfsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectrulesreviews',
])
/** What a server built on Kubernetes' generic library watches before it admits a write. */
const ADMISSION_GROUPS = new Set(['admissionregistration.k8s.io', 'flowcontrol.apiserver.k8s.io'])
const READ = new Set(['get', 'list', 'watch'])

const RULES: readonly Rule[] = [
  {
    name: 'public-info',
    matches: (a) => !a.isResourceRequest && a.verb === 'get' && PUBLIC.has(a.path),
    nonResourceRules: [{ verbs: ['get'], nonResourceURLs: [...PUBLIC] }],
  },
  {
    name: 'discovery',
    group: SYSTEM_AUTHENTICATED,
    matches: (a) =>
      !a.isResourceRequest && a.verb === 'get' && DISCOVERY.some((p) => a.path === p || a.path.startsWith(`${p}/`)),
    nonResourceRules: [{ verbs: ['get'], nonResourceURLs: DISCOVERY.flatMap((p) => [p, `${p}/*`]) }],
  },
  {
    name: 'basic-user',
    group: SYSTEM_AUTHENTICATED,
    matches: (a) => a.verb === 'create' && SELF_REVIEWS.has(`${a.apiGroup}/${a.resource}`),
    resourceRules: creates(SELF_REVIEWS),
  },
  {
    name: 'backends-authentication-reader',
    group: BACKENDS_GROUP,
    matches: (a) =>
      READ.has(a.verb) &&
      a.apiGroup === '' &&
      a.resource === 'configmaps' &&
      a.subresource === '' &&
      a.namespace === 'kube-system' &&
      a.name === 'extension-apiserver-authentication',
    namespace: 'kube-system',
    resourceRules: [
      {
        verbs: [...READ],
        apiGroups: [''],
        resources: ['configmaps'],
        resourceNames: ['extension-apiserver-authentication'],
      },
    ],
  },
  {
    name: 'backends-informers',
    group: BACKENDS_GROUP,
    matches: (a) =>
      a.isResourceRequest &&
      READ.has(a.verb) &&
      a.subresource === '' &&
      (ADMISSION_GROUPS.has(a.apiGroup) || (a.apiGroup === '' && a.resource === 'namespaces')),
  },
  {
    name: 'backends-delegator',
    group: BACKENDS_GROUP,
    matches: (a) => a.verb === 'create' && a.subresource === '' && REVIEWS.has(`${a.apiGroup}/${a.resource}`),
    resourceRules: creates(REVIEWS),
  },
]

/** @param reviews `group/resource`. */
function creates(reviews: ReadonlySet<string>): ResourceRule[] {
  return [...Map.groupBy(reviews, (review) => review.split('/')[0]!)].map(([group, list]) => ({
    verbs: ['create'],
    apiGroups: [group],
    resources: list.map((review) => review.slice(group.length + 1)),
  }))
}

export function fixedRules(): Authorizer {
  const decisions = new Map(
    RULES.map((r) => [r, { kind: 'allow', reason: `allowed by built-in rule "${r.name}"` } satisfies Decision]),
  )
  const none: Decision = { kind: 'no-opinion', reason: '' }
  const rulesFor = ({ groups }: UserInfo): Rule[] =>
    RULES.filter((r) => r.group === undefined || groups.includes(r.group))
  return {
    name: 'FixedRules',
    authorize: (a) => {
      const rule = RULES.find((r) => (r.group === undefined || a.user.groups.includes(r.group)) && r.matches(a))
      return rule ? decisions.get(rule)! : none
    },
    rulesOf: (user, namespace) => ({
      resourceRules: rulesFor(user).flatMap((r) =>
        r.namespace === undefined || r.namespace === namespace ? (r.resourceRules ?? []) : [],
      ),
      nonResourceRules: rulesFor(user).flatMap((r) => r.nonResourceRules ?? []),
      problems: [],
    }),
  }
}

/** Resources that are questions: TokenReview, SubjectAccessReview and their kin. Create only, nothing is stored. */
import type { TokenAuthenticator } from '../../../access/authentication/authenticator.ts'
import type { Attributes, Authorizer } from '../../../access/authorization/authorizer.ts'
import { type Selectors, readSelectors, selectorErrors } from './selector-attributes.ts'
import { SYSTEM_AUTHENTICATED } from '../../../access/groups.ts'
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import type { YamlThread } from '../../../api/codec/yaml-thread.ts'
import type { KubeObject, UserInfo } from '../../../api/meta.ts'
import type { KindVersion } from '../../../api/kinds/kind-version.ts'
import { badRequest, invalid } from '../../../api/status-error.ts'
import { bodyEncoding } from '../../../endpoints/content-type.ts'
import { decodeObject } from '../../../endpoints/decode-object.ts'
import { parseWriteOptions } from '../../../endpoints/options.ts'
import { readBody } from '../../../endpoints/read-body.ts'
import { writeObject } from '../../../endpoints/write-object.ts'
import type { Handler } from '../../../http/filter.ts'
import { negotiate } from '../../../http/negotiation.ts'
import type { RequestContext } from '../../../http/request-context.ts'

export interface ReviewHandlers {
  readonly kindOf: (group: string, kind: string) => KindVersion
  readonly yaml: YamlThread
  readonly tokens: TokenAuthenticator
  readonly authorizer: Authorizer
}

type Answer = (ctx: RequestContext, review: Review) => Promise<Record<string, unknown>>
interface Review extends KubeObject {
  spec?: Record<string, unknown>
  status?: Record<string, unknown>
}
interface AccessSpec {
  user?: string
  groups?: string[]
  uid?: string
  extra?: Record<string, string[]>
  resourceAttributes?: Selectors & {
    namespace?: string
    verb?: string
    group?: string
    version?: string
    resource?: string
    subresource?: string
    name?: string
  }
  nonResourceAttributes?: { path?: string; verb?: string }
}

const AUTHENTICATION = 'authentication.k8s.io'
const AUTHORIZATION = 'authorization.k8s.io'
const RESOURCE_ATTRIBUTES = 'spec.resourceAttributes'

/** By `group/resource`. */
export function reviewHandlers(o: ReviewHandlers): ReadonlyMap<string, Handler> {
  const handler = (group: string, kind: string, answer: Answer): Handler =>
    question(o.kindOf(group, kind), o.yaml, answer)
  const access = (kind: string): Handler =>
    handler(AUTHORIZATION, kind, (ctx, review) => accessReview(o.authorizer, ctx, review, kind))
  return new Map([
    [
      `${AUTHENTICATION}/tokenreviews`,
      handler(AUTHENTICATION, 'TokenReview', (_ctx, review) => tokenReview(o.tokens, review)),
    ],
    [
      `${AUTHENTICATION}/selfsubjectreviews`,
      handler(AUTHENTICATION, 'SelfSubjectReview', async (ctx) => ({ userInfo: userInfo(ctx.user!) })),
    ],
    [`${AUTHORIZATION}/subjectaccessreviews`, access('SubjectAccessReview')],
    [`${AUTHORIZATION}/localsubjectaccessreviews`, access('LocalSubjectAccessReview')],
    [`${AUTHORIZATION}/selfsubjectaccessreviews`, access('SelfSubjectAccessReview')],
    [
      `${AUTHORIZATION}/selfsubjectrulesreviews`,
      handler(AUTHORIZATION, 'SelfSubjectRulesReview', async (ctx, review) =>
        rulesReview(o.authorizer, ctx.user!, review),
      ),
    ],
  ])
}

function question(version: KindVersion, yaml: YamlThread, answer: Answer): Handler {
  const { kind, apiVersion } = version
  return async (ctx) => {
    const form = negotiate(ctx)
    const body = await readBody(ctx)
    const options = parseWriteOptions(ctx.query, 'CreateOptions')
    const review = (await decodeObject(ctx, body, {
      encoding: bodyEncoding(ctx),
      version,
      yaml,
      validation: options.fieldValidation,
    })) as Review
    const status = await answer(ctx, review)
    await writeObject(ctx, 201, { kind, apiVersion, ...review, status }, form, {
      yaml,
      message: version.encodeMessage,
    })
  }
}

async function tokenReview(tokens: TokenAuthenticator, review: Review): Promise<Record<string, unknown>> {
  const token = review.spec?.['token']
  if (typeof token !== 'string' || token === '') throw badRequest('token is required for TokenReview in authentication')
  const result = await tokens.authenticateToken(token)
  if (result.kind !== 'authenticated')
    return { user: {}, error: result.kind === 'rejected' ? result.reason : 'invalid bearer token' }
  const groups = result.user.groups.includes(SYSTEM_AUTHENTICATED)
    ? result.user.groups
    : [...result.user.groups, SYSTEM_AUTHENTICATED]
  return { authenticated: true, user: userInfo({ ...result.user, groups }) }
}

function userInfo(user: UserInfo): Record<string, unknown> {
  return {
    username: user.name,
    ...(user.uid === undefined ? {} : { uid: user.uid }),
    groups: user.groups,
    ...(user.extra ? { extra: Object.fromEntries(user.extra) } : {}),
  }
}

async function accessReview(
  authorizer: Authorizer,
  ctx: RequestContext,
  review: Review,
  kind: string,
): Promise<Record<string, unknown>> {
  const spec = (review.spec ?? {}) as AccessSpec
  const self = kind === 'SelfSubjectAccessReview'
  const errors = specErrors(spec, self)
  if (kind === 'LocalSubjectAccessReview') errors.push(...localErrors(spec, ctx.info.namespace))
  if (errors.length > 0) throw invalid({ group: AUTHORIZATION, kind: '' }, '', errors)
  const user: UserInfo = self
    ? ctx.user!
    : {
        name: spec.user ?? '',
        groups: spec.groups ?? [],
        ...(spec.uid === undefined ? {} : { uid: spec.uid }),
        extra: new Map(Object.entries(spec.extra ?? {})),
      }
  const { problems, ...selectors } = readSelectors(spec.resourceAttributes ?? {}, RESOURCE_ATTRIBUTES)
  const decision = await authorizer.authorize({ ...attributesOf(spec, user), ...selectors })
  if (decision.error !== undefined)
    problems.push(decision.error instanceof Error ? decision.error.message : 'the authorizer failed')
  return {
    allowed: decision.kind === 'allow',
    ...(decision.kind === 'deny' ? { denied: true } : {}),
    ...(decision.reason === '' ? {} : { reason: decision.reason }),
    ...(problems.length === 0 ? {} : { evaluationError: problems.join(', ') }),
  }
}

function specErrors(spec: AccessSpec, self: boolean): FieldError[] {
  const errors: FieldError[] = []
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec
  if (resource && path)
    errors.push(
      fieldError.invalid(
        'spec.nonResourceAttributes',
        { Path: path.path ?? '', Verb: path.verb ?? '' },
        'cannot be specified in combination with resourceAttributes',
      ),
    )
  if (!resource && !path)
    errors.push(
      fieldError.invalid(
        RESOURCE_ATTRIBUTES,
        null,
        'exactly one of nonResourceAttributes or resourceAttributes must be specified',
      ),
    )
  if (!self && (spec.user ?? '') === '' && (spec.groups ?? []).length === 0)
    errors.push(fieldError.invalid('spec.user', spec.user ?? '', 'at least one of user or group must be specified'))
  if (resource) errors.push(...selectorErrors(resource, RESOURCE_ATTRIBUTES))
  return errors
}

function localErrors(spec: AccessSpec, namespace: string): FieldError[] {
  const errors: FieldError[] = []
  if (spec.resourceAttributes && spec.resourceAttributes.namespace !== namespace) {
    errors.push(
      fieldError.invalid(
        'spec.resourceAttributes.namespace',
        spec.resourceAttributes.namespace ?? '',
        'must match metadata.namespace',
      ),
    )
  }
  if (spec.nonResourceAttributes)
    errors.push(
      fieldError.invalid(
        'spec.nonResourceAttributes',
        spec.nonResourceAttributes,
        'disallowed on this kind of request',
      ),
    )
  return errors
}

function attributesOf(spec: AccessSpec, user: UserInfo): Attributes {
  const { resourceAttributes: r, nonResourceAttributes: p } = spec
  return {
    user,
    verb: r?.verb ?? p?.verb ?? '',
    isResourceRequest: r !== undefined,
    path: p?.path ?? '',
    apiGroup: r?.group ?? '',
    apiVersion: r?.version ?? '',
    namespace: r?.namespace ?? '',
    resource: r?.resource ?? '',
    subresource: r?.subresource ?? '',
    name: r?.name ?? '',
  }
}

function rulesReview(authorizer: Authorizer, user: UserInfo, review: Review): Record<string, unknown> {
  const namespace = review.spec?.['namespace'] ?? ''
  if (typeof namespace !== 'string' || namespace === '') throw badRequest('no namespace on request')
  const unknown = {
    resourceRules: [],
    nonResourceRules: [],
    problems: ['the authorizer does not support user rule resolution'],
  }
  const { resourceRules, nonResourceRules, problems } = authorizer.rulesOf?.(user, namespace) ?? unknown
  return {
    resourceRules,
    nonResourceRules,
    incomplete: problems.length > 0,
    ...(problems.length === 0 ? {} : { evaluationError: problems.join(', ') }),
  }
}

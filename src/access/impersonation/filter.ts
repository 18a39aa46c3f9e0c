/**
 * Serves a request as another user, where the caller may do everything as them: each name, group, uid and extra that is
 * asked for is authorized with the verb impersonate. What is not named is not kept: the caller's own groups do not help.
 *
 * Callers: servers/generic/handler-chain.ts, after authentication and before the request itself is authorized.
 * Source: the impersonation headers of Kubernetes; each must be allowed by a rule of its own.
 */
import type { UserInfo } from '../../api/meta.ts'
import { badRequest, forbidden, internalError } from '../../api/status-error.ts'
import type { HeaderView } from '../../http/exchange.ts'
import { textOfValue } from '../../http/header-list.ts'
import type { Filter } from '../../http/filter.ts'
import type { RequestContext } from '../../http/request-context.ts'
import { refusal } from '../authorization/attributes.ts'
import type { Attributes, Authorizer } from '../authorization/authorizer.ts'
import { unescapeExtraKey } from '../extra-key.ts'
import { ANONYMOUS, SYSTEM_AUTHENTICATED, SYSTEM_UNAUTHENTICATED } from '../groups.ts'

const PREFIX = 'impersonate-'
const FIRST_LETTER = PREFIX.charCodeAt(0)
const EXTRA = 'extra-'
/** The texts quote what the client sent. */
const NO_SNIFFING = ['X-Content-Type-Options', 'nosniff']
const SERVICE_ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/

/** What the headers ask for. */
interface Wanted {
  readonly name: string
  readonly uid: string
  readonly groups: readonly string[]
  readonly extra: ReadonlyMap<string, readonly string[]>
}

export function impersonationFilter(authorizer: Authorizer): Filter {
  return {
    name: 'impersonation',
    about: 'Serves a request as whom Impersonate-* names, where the caller may impersonate each of them.',
    wrap: (next) => (ctx) => {
      const wanted = wantedBy(ctx.exchange.headers)
      return wanted === undefined ? next(ctx) : impersonate(ctx, wanted, authorizer).then(() => next(ctx))
    },
  }
}

async function impersonate(ctx: RequestContext, wanted: Wanted, authorizer: Authorizer): Promise<void> {
  if (wanted.name === '') {
    ctx.answerHeaders.push(...NO_SNIFFING)
    throw badRequest(`requested [${listed(wanted)}] without impersonating a user`)
  }
  const caller = ctx.user!
  for (const a of questions(caller, wanted)) {
    const { kind, reason, error } = await authorizer.authorize(a)
    if (kind === 'allow') continue
    if (error !== undefined) throw internalError('the impersonation could not be authorized', error)
    ctx.answerHeaders.push(...NO_SNIFFING)
    throw forbidden({ group: a.apiGroup, resource: a.resource }, a.name, refusal(a, reason))
  }
  ctx.user = impersonatedUser(wanted)
  ctx.log.info('impersonated', { caller: caller.name, user: wanted.name })
}

/** @returns undefined where no other user is named, as in almost all requests. */
function wantedBy(headers: HeaderView): Wanted | undefined {
  const { raw } = headers
  let found = false
  let [name, uid] = ['', '']
  const groups: string[] = []
  const extra = new Map<string, string[]>()
  for (let i = 0; i < raw.length; i += 2) {
    const header = raw[i]!
    if (!isOurs(header)) continue
    found = true
    const what = header.slice(PREFIX.length).toLowerCase()
    const value = textOfValue(raw[i + 1]!)
    if (value === undefined) throw badRequest(`the header ${header} is no UTF-8`)
    // Two names are two answers to who asks: the second would pass unseen where only the first is looked at.
    if ((what === 'user' && name !== '') || (what === 'uid' && uid !== ''))
      throw badRequest(`the header ${header} may be there once`)
    if (what === 'user') name = value
    else if (what === 'uid') uid = value
    else if (what === 'group') groups.push(value)
    else if (what.startsWith(EXTRA) && what.length > EXTRA.length)
      push(extra, unescapeExtraKey(what.slice(EXTRA.length)), value)
    else throw badRequest(`the header ${header} says nothing that is known here`)
  }
  return found ? { name, uid, groups, extra } : undefined
}
/** Asked of each header of each request: the first letter says no to most. */
function isOurs(header: string): boolean {
  return (
    (header.charCodeAt(0) | 0x20) === FIRST_LETTER &&
    header.length > PREFIX.length &&
    header.slice(0, PREFIX.length).toLowerCase() === PREFIX
  )
}
function push(map: Map<string, string[]>, key: string, value: string): void {
  const values = map.get(key)
  if (values) values.push(value)
  else map.set(key, [value])
}

/** What the caller must be allowed, all of it. */
function questions(user: UserInfo, { name, uid, groups, extra }: Wanted): readonly Attributes[] {
  const ask = (a: Pick<Attributes, 'resource' | 'name'> & Partial<Attributes>): Attributes => ({
    user,
    verb: 'impersonate',
    isResourceRequest: true,
    path: '',
    apiGroup: '',
    apiVersion: '',
    namespace: '',
    subresource: '',
    ...a,
  })
  const identity = { apiGroup: 'authentication.k8s.io', apiVersion: 'v1' }
  const [, namespace, account] = SERVICE_ACCOUNT.exec(name) ?? []
  return [
    namespace !== undefined && account !== undefined
      ? ask({ resource: 'serviceaccounts', namespace, name: account })
      : ask({ resource: 'users', name }),
    ...groups.map((group) => ask({ resource: 'groups', name: group })),
    ...[...extra].flatMap(([key, values]) =>
      values.map((value) => ask({ ...identity, resource: 'userextras', subresource: key, name: value })),
    ),
    ...(uid === '' ? [] : [ask({ ...identity, resource: 'uids', name: uid })]),
  ]
}

/** As object references in the words of Go: kind, namespace, name, uid, API version, resource version and field. */
function listed({ groups, extra, uid }: Wanted): string {
  const version = 'authentication.k8s.io/v1'
  return [
    ...groups.map((group) => `{Group  ${group}    }`),
    ...[...extra].flatMap(([key, values]) => values.map((value) => `{UserExtra  ${value}  ${version}  ${key}}`)),
    ...(uid === '' ? [] : [`{UID  ${uid}  ${version}  }`]),
  ].join(' ')
}

/** With the groups that each such user has. */
export function impersonatedUser({ name, uid, groups, extra }: Wanted): UserInfo {
  const [, namespace] = SERVICE_ACCOUNT.exec(name) ?? []
  const all =
    groups.length === 0 && namespace !== undefined
      ? ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]
      : [...groups]
  const own = name === ANONYMOUS ? [SYSTEM_UNAUTHENTICATED] : [SYSTEM_AUTHENTICATED, SYSTEM_UNAUTHENTICATED]
  if (!own.some((g) => all.includes(g))) all.push(own[0]!)
  return { name, groups: all, ...(uid === '' ? {} : { uid }), ...(extra.size === 0 ? {} : { extra }) }
}

/**
 * The headers that tell a backend who is calling, and those a client may never bring itself.
 * Source: the request-header and impersonation conventions of Kubernetes; extra keys are percent-encoded.
 */
import type { UserInfo } from '../api/meta.ts'
import { StatusError } from '../api/status-error.ts'
import { valueOfText } from '../http/header-list.ts'

/**
 * requestheader: X-Remote-*, believed because of our front-proxy certificate.
 * impersonate:   Impersonate-*, believed because our own credentials may impersonate.
 * passthrough:   the client's own Authorization and Impersonate-* headers.
 * own:           our own credentials, for ourselves.
 */
export type IdentityMode = 'requestheader' | 'impersonate' | 'passthrough' | 'own'

/** Names beside the fixed ones that claim an identity, in lower case: what --requestheader-* configures. */
export interface IdentityNames {
  readonly names: ReadonlySet<string>
  readonly prefixes: readonly string[]
}
export const noIdentityNames: IdentityNames = { names: new Set(), prefixes: [] }

/**
 * @param name lower case. Underscores count as hyphens: some servers hand both to their programs as one.
 * @returns whether a client's header of this name must not reach a backend.
 */
export function claimsIdentity(name: string, mode: IdentityMode, configured: IdentityNames = noIdentityNames): boolean {
  const plain = name.includes('_') ? name.replaceAll('_', '-') : name
  if (plain.startsWith('x-remote-')) {
    if (plain === 'x-remote-user' || plain === 'x-remote-uid' || plain === 'x-remote-group') return true
    if (plain.startsWith('x-remote-extra-')) return true
  }
  if (mode !== 'passthrough' && (plain === 'authorization' || plain.startsWith('impersonate-'))) return true
  if (configured.names.has(name) || configured.names.has(plain)) return true
  return configured.prefixes.some((prefix) => name.startsWith(prefix) || plain.startsWith(prefix))
}

/**
 * @param headers grows by the user's headers: one per group and per extra value.
 * @throws StatusError 400 on a name that a header cannot carry unchanged.
 */
export function addIdentity(headers: string[], user: UserInfo, mode: IdentityMode): void {
  if (mode === 'passthrough' || mode === 'own') return
  let known = KNOWN[mode].get(user)
  if (known === undefined) {
    known = identityOf(user, mode === 'requestheader' ? 'X-Remote-' : 'Impersonate-')
    KNOWN[mode].set(user, known)
  }
  for (const part of known) headers.push(part)
}

/** A user's requests share one object: those of a connection with a client certificate, those with the same token. */
const KNOWN = {
  requestheader: new WeakMap<UserInfo, readonly string[]>(),
  impersonate: new WeakMap<UserInfo, readonly string[]>(),
}
function identityOf(user: UserInfo, prefix: string): readonly string[] {
  const headers = [`${prefix}User`, asHeader(user.name, 'user name')]
  if (user.uid) headers.push(`${prefix}Uid`, asHeader(user.uid, 'uid'))
  for (const group of user.groups) headers.push(`${prefix}Group`, asHeader(group, 'group'))
  if (!user.extra) return headers
  for (const [key, values] of user.extra) {
    const name = `${prefix}Extra-${encodeExtraKey(key)}`
    for (const value of values) headers.push(name, asHeader(value, 'extra value'))
  }
  return headers
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNFIT = /^[\t ]|[\t ]$|[\u0000-\u0008\u000a-\u001f\u007f]/
/** UTF-8 bytes as characters. Blanks at the ends would be trimmed on the way and make another name of it. */
function asHeader(value: string, what: string): string {
  if (UNFIT.test(value))
    throw new StatusError(400, 'BadRequest', `the ${what} cannot be sent to the backend in a header`)
  return valueOfText(value)
}

const PLAIN_KEY = /^[!#$&'*+\-.^_`|~0-9A-Za-z]*$/
/** Bytes that are no token characters, and `%`, become %XX. Source: client-go transport/round_trippers.go headerKeyEscape. */
export function encodeExtraKey(key: string): string {
  if (PLAIN_KEY.test(key)) return key
  let encoded = ''
  for (const byte of Buffer.from(key, 'utf8')) {
    const c = String.fromCharCode(byte)
    encoded += byte < 0x80 && PLAIN_KEY.test(c) ? c : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}

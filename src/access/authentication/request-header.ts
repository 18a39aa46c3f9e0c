import type { HeaderView } from '../../http/exchange.ts'
import { textOfValue } from '../../http/header-list.ts'
import { unescapeExtraKey } from '../extra-key.ts'
import { type Authenticator, type AuthnResult, NO_OPINION } from './authenticator.ts'

/** The --requestheader-* flags. Names in lower case. */
export interface RequestHeaderOptions {
  readonly usernameHeaders: readonly string[]
  readonly uidHeaders: readonly string[]
  readonly groupHeaders: readonly string[]
  readonly extraHeaderPrefixes: readonly string[]
  /** Common names of front proxies; empty: any that the front-proxy CA signed. */
  readonly allowedNames: readonly string[]
}

/** Believes the identity headers of a front proxy, which proves itself with a certificate of the front-proxy CA. */
export function requestHeaderAuthenticator(o: RequestHeaderOptions): Authenticator {
  return {
    name: 'request-header',
    authenticate: (ctx) => {
      const { headers, connection } = ctx.exchange
      const name = firstValue(headers, o.usernameHeaders)
      if (name === undefined || !connection.clientCertificate?.chainsTo.frontProxyCA) return NO_OPINION
      const proxy = connection.clientCertificate.commonName
      if (o.allowedNames.length > 0 && !o.allowedNames.includes(proxy)) {
        // A certificate may serve as an ordinary client's too: x509 has its say.
        if (connection.clientCertificate.chainsTo.clientCA) return NO_OPINION
        return { kind: 'rejected', reason: `x509: subject with cn=${proxy} is not in the allowed list` }
      }
      return identity(headers, o, name) ?? NO_UTF8
    },
  }
}

/** Two names that differ in bytes alone must not become one. */
const NO_UTF8: AuthnResult = { kind: 'rejected', reason: 'an identity header is no UTF-8' }

/** @returns undefined where a value is no UTF-8. */
function identity(headers: HeaderView, o: RequestHeaderOptions, rawName: string): AuthnResult | undefined {
  const name = textOfValue(rawName)
  const rawUid = firstValue(headers, o.uidHeaders)
  const uid = rawUid === undefined ? undefined : textOfValue(rawUid)
  const groups = texts(o.groupHeaders.flatMap((h) => headers.all(h)).filter((g) => g !== ''))
  const extra = extraOf(headers, o.extraHeaderPrefixes)
  if (name === undefined || (uid === undefined && rawUid !== undefined) || !groups || !extra) return undefined
  return {
    kind: 'authenticated',
    user: { name, groups, ...(uid === undefined ? {} : { uid }), ...(extra.size === 0 ? {} : { extra }) },
  }
}

function texts(values: readonly string[]): string[] | undefined {
  const found = values.map(textOfValue).filter((text) => text !== undefined)
  return found.length === values.length ? found : undefined
}

function firstValue(headers: HeaderView, names: readonly string[]): string | undefined {
  for (const name of names) {
    const value = headers.all(name).find((v) => v !== '')
    if (value !== undefined) return value
  }
  return undefined
}

function extraOf(headers: HeaderView, prefixes: readonly string[]): Map<string, string[]> | undefined {
  const extra = new Map<string, string[]>()
  if (prefixes.length === 0) return extra
  for (let i = 0; i < headers.raw.length; i += 2) {
    const name = headers.raw[i]!.toLowerCase()
    const prefix = prefixes.find((p) => name.startsWith(p))
    if (prefix === undefined) continue
    const key = unescapeExtraKey(name.slice(prefix.length))
    const values = extra.get(key) ?? []
    const value = textOfValue(headers.raw[i + 1]!)
    if (value === undefined) return undefined
    values.push(value)
    extra.set(key, values)
  }
  return extra
}

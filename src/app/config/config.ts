/** Options completed into what the parts of the server take: checked once, frozen, no defaults left to fill. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SecureVersion } from 'node:tls'
import { parseTokenFile } from '../../access/authentication/token-file.ts'
import type { RequestHeaderOptions } from '../../access/authentication/request-header.ts'
import type { UserInfo } from '../../api/meta.ts'
import { ControllerSwitches } from '../../client/controller-switches.ts'
import type { IdentityNames } from '../../proxy/identity-headers.ts'
import { ConfigurationError } from './configuration-error.ts'
import type { AcceptedFlag } from './accepted-flags.ts'
import { cipherList } from './cipher-suites.ts'
import { type DelegateConfig, completeDelegates } from './delegates-config.ts'
import type { OptionName, OptionValues } from './options.ts'
import type { ReadOptions } from './read-options.ts'

const TLS_VERSIONS: Readonly<Record<string, SecureVersion>> = { VersionTLS12: 'TLSv1.2', VersionTLS13: 'TLSv1.3' }
const AUTHORIZATION_MODES = new Set(['AlwaysAllow', 'AlwaysDeny', 'Webhook', 'RBAC', 'Node'])

export type StorageConfig =
  | { readonly kind: 'memory' }
  | { readonly kind: 'embedded'; readonly folder: string }
  | {
      readonly kind: 'etcd'
      readonly servers: readonly string[]
      readonly cafile?: string
      readonly certfile?: string
      readonly keyfile?: string
    }

export interface Config {
  readonly values: OptionValues
  readonly given: ReadonlySet<OptionName>
  /** Flags of kube-apiserver that change nothing, for the log. */
  readonly withoutEffect: readonly AcceptedFlag[]
  readonly storage: StorageConfig
  readonly minTlsVersion: SecureVersion
  /** OpenSSL's form; undefined: Node's own. */
  readonly ciphers: string | undefined
  readonly requestHeader: RequestHeaderOptions
  /** The headers by which front proxies name the caller. None of them goes on to a backend as a client sent it. */
  readonly identityNames: IdentityNames
  readonly tokens: ReadonlyMap<string, UserInfo>
  readonly corsAllowedOrigins: readonly RegExp[]
  readonly goawayChance: number
  readonly controllers: ControllerSwitches
  /** Servers that are fronted. A server for everything is last. */
  readonly delegates: readonly DelegateConfig[]
  /** What clients are told to connect to, without the port. */
  readonly advertiseAddress: string
}

/** @throws ConfigurationError */
export function completeConfig({ values: read, given, withoutEffect, delegates }: ReadOptions): Config {
  const values = withCertDir(read)
  requirePairs(values)
  const requestHeader = requestHeaderOptions(values)
  return Object.freeze({
    values,
    given,
    withoutEffect,
    ciphers: cipherList(values['tls-cipher-suites']),
    storage: storageConfig(values, given),
    minTlsVersion:
      TLS_VERSIONS[values['tls-min-version']] ??
      fail('tls-min-version', `must be one of ${Object.keys(TLS_VERSIONS).join(', ')}`),
    requestHeader,
    identityNames: identityNamesOf(requestHeader),
    tokens: readTokens(values['token-auth-file']),
    corsAllowedOrigins: values['cors-allowed-origins'].map(originPattern),
    goawayChance: goawayChance(values['goaway-chance']),
    controllers: new ControllerSwitches(values.controllers),
    delegates: completeDelegates(delegates, values),
    advertiseAddress:
      values['advertise-address'] ||
      (['0.0.0.0', '::', ''].includes(values['bind-address']) ? '127.0.0.1' : values['bind-address']),
  })
}

/** As kube-apiserver: a pair in the folder is the serving one. */
function withCertDir(values: OptionValues): OptionValues {
  if (values['cert-dir'] === '' || values['tls-cert-file'] !== '') return values
  const [cert, key] = ['apiserver.crt', 'apiserver.key'].map((name) => join(values['cert-dir'], name))
  if (!existsSync(cert!) || !existsSync(key!)) return values
  return { ...values, 'tls-cert-file': cert!, 'tls-private-key-file': key! }
}
function requestHeaderOptions(values: OptionValues): RequestHeaderOptions {
  const lower = (names: readonly string[]): string[] => names.map((n) => n.toLowerCase())
  return {
    usernameHeaders: lower(values['requestheader-username-headers']),
    uidHeaders: lower(values['requestheader-uid-headers']),
    groupHeaders: lower(values['requestheader-group-headers']),
    extraHeaderPrefixes: lower(values['requestheader-extra-headers-prefix']),
    allowedNames: values['requestheader-allowed-names'],
  }
}
function identityNamesOf(o: RequestHeaderOptions): IdentityNames {
  return {
    names: new Set([...o.usernameHeaders, ...o.uidHeaders, ...o.groupHeaders]),
    prefixes: o.extraHeaderPrefixes,
  }
}

function fail(name: OptionName, why: string): never {
  throw new ConfigurationError(`--${name}: ${why}`)
}

function requirePairs(v: OptionValues): void {
  const pairs: [OptionName, OptionName][] = [
    ['tls-cert-file', 'tls-private-key-file'],
    ['proxy-client-cert-file', 'proxy-client-key-file'],
    ['etcd-certfile', 'etcd-keyfile'],
  ]
  for (const [cert, key] of pairs) {
    if ((v[cert] === '') !== (v[key] === ''))
      fail(v[cert] === '' ? cert : key, `is needed together with --${v[cert] === '' ? key : cert}`)
  }
  const mode = v['authorization-mode'].find((m) => !AUTHORIZATION_MODES.has(m))
  requireReviews(v)
  if (mode !== undefined)
    fail('authorization-mode', `${JSON.stringify(mode)} is not one of ${[...AUTHORIZATION_MODES].join(', ')}`)
  if (
    v['client-ca-file'] !== '' &&
    v['requestheader-client-ca-file'] !== '' &&
    v['requestheader-allowed-names'].length === 0
  ) {
    if (readFile('client-ca-file', v).trim() === readFile('requestheader-client-ca-file', v).trim()) {
      fail(
        'requestheader-client-ca-file',
        'is the same as --client-ca-file: every client could pass for a front proxy; name the proxies with --requestheader-allowed-names',
      )
    }
  }
}

function requireReviews(v: OptionValues): void {
  for (const [kubeconfig, webhook] of [
    ['authentication-kubeconfig', 'authentication-token-webhook-config-file'],
    ['authorization-kubeconfig', 'authorization-webhook-config-file'],
  ] as const) {
    if (v[kubeconfig] !== '' && v[webhook] !== '') fail(kubeconfig, `cannot be used together with --${webhook}`)
  }
  for (const version of ['authentication-token-webhook-version', 'authorization-webhook-version'] as const)
    if (v[version] !== 'v1' && v[version] !== 'v1beta1') fail(version, 'must be v1 or v1beta1')
  const asks = v['authorization-mode'].includes('Webhook')
  if (asks && v['authorization-webhook-config-file'] === '' && v['authorization-kubeconfig'] === '')
    fail('authorization-mode', 'Webhook needs --authorization-webhook-config-file or --authorization-kubeconfig')
  if (!asks && v['authorization-webhook-config-file'] !== '')
    fail('authorization-webhook-config-file', 'is of no use without Webhook in --authorization-mode')
  if (!asks && v['authorization-mode'].length > 0 && v['authorization-kubeconfig'] !== '')
    fail('authorization-kubeconfig', 'is of no use in an --authorization-mode without Webhook')
}

export function readFile(name: OptionName, values: OptionValues): string {
  try {
    return readFileSync(String(values[name]), 'utf8')
  } catch (e) {
    return fail(name, (e as Error).message)
  }
}

function storageConfig(v: OptionValues, given: ReadonlySet<OptionName>): StorageConfig {
  const named = v['storage-backend'] === 'etcd3' ? 'etcd' : v['storage-backend']
  const backend = named || (given.has('etcd-servers') ? 'etcd' : 'embedded')
  if (backend === 'memory') return { kind: 'memory' }
  if (backend === 'embedded') return { kind: 'embedded', folder: `${v['data-dir']}/storage` }
  if (backend !== 'etcd') fail('storage-backend', `${JSON.stringify(backend)} is not one of embedded, etcd, memory`)
  if (v['etcd-servers'].length === 0) fail('etcd-servers', 'is needed for storage in etcd')
  return {
    kind: 'etcd',
    servers: v['etcd-servers'],
    ...(v['etcd-cafile'] === '' ? {} : { cafile: v['etcd-cafile'] }),
    ...(v['etcd-certfile'] === '' ? {} : { certfile: v['etcd-certfile'], keyfile: v['etcd-keyfile'] }),
  }
}

function readTokens(path: string): ReadonlyMap<string, UserInfo> {
  if (path === '') return new Map()
  try {
    return parseTokenFile(readFileSync(path, 'utf8'))
  } catch (e) {
    return fail('token-auth-file', (e as Error).message)
  }
}

function originPattern(text: string): RegExp {
  if (!(/\^|\/\//.test(text) && /\$|:/.test(text)))
    fail('cors-allowed-origins', `regular expression does not pin to start/end of host in the origin header: ${text}`)
  try {
    return new RegExp(text, 'i')
  } catch (e) {
    return fail('cors-allowed-origins', (e as Error).message)
  }
}

function goawayChance(text: string): number {
  const chance = Number(text)
  if (!(chance >= 0 && chance <= 0.02)) fail('goaway-chance', 'can not be less than 0 or greater than 0.02')
  return chance
}

/** For the log's first line: what is set. No option holds a secret but URLs with a password in them, which is masked. */
export function describeOptions({ values, given }: Pick<ReadOptions, 'values' | 'given'>): Record<string, unknown> {
  return Object.fromEntries([...given].map((name) => [name, masked(values[name])]))
}

function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked)
  return typeof value === 'string' ? value.replace(/(:\/\/)[^/@]*@/, '$1***@') : value
}

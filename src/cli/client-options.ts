/** What `portico certs` and `portico kubeconfig` share: the user they are for, and the certificate. */
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigurationError } from '../app/config/configuration-error.ts'
import { DataDir } from '../app/files/data-dir.ts'
import { Pki } from '../app/files/pki.ts'
import type { KeyPair } from '../http/certificates.ts'
import { systemClock } from '../lib/clock.ts'
import { parseOptions } from './server-connection.ts'

export interface ClientOptions {
  /** '' for the certificate of a backend. */
  readonly user: string
  /** Names of a backend. */
  readonly serving: readonly string[]
  readonly groups: readonly string[]
  readonly dataDir: string
  readonly out: string | undefined
  readonly server: string | undefined
}
const TEXT = { type: 'string' } as const

/** @throws ConfigurationError */
export function readClientOptions(args: readonly string[], command: 'certs' | 'kubeconfig'): ClientOptions {
  const { serving = [], ...values }: ReturnType<typeof parse> & { serving?: string[] } =
    command === 'certs' ? parseCerts(args) : parse(args)
  if (values.server !== undefined) requireUrl(values.server)
  if (serving.length === 0 && (values.user ?? '') === '') throw new ConfigurationError('--user: is needed')
  return {
    user: values.user ?? '',
    serving,
    groups: values.group ?? [],
    dataDir: values['data-dir'] ?? '.portico',
    out: values.out,
    server: values.server,
  }
}
/** @throws ConfigurationError for what kubectl could not connect to. */
function requireUrl(server: string): void {
  const url = URL.canParse(server) ? new URL(server) : undefined
  if (url && ['https:', 'http:'].includes(url.protocol) && url.hostname !== '') return
  throw new ConfigurationError(`--server: ${JSON.stringify(server)} is no URL such as https://127.0.0.1:6443`)
}

const SHARED = { user: TEXT, group: { ...TEXT, multiple: true }, 'data-dir': TEXT, out: TEXT, server: TEXT } as const
function parseCerts(args: readonly string[]) {
  const options = { ...SHARED, serving: { ...TEXT, multiple: true } } as const
  return parseOptions({ args: [...args], options }).values
}
function parse(args: readonly string[]) {
  const options = SHARED
  return parseOptions({ args: [...args], options }).values
}

/** @throws ConfigurationError where the folder has no CA, or the user is named as the CA is. */
export function issueClient(o: ClientOptions): KeyPair {
  const pki = openPki(o.dataDir)
  const caName = /^CN=(.*)$/m.exec(new X509Certificate(pki.ca().cert).subject)?.[1]
  // A certificate whose subject is its issuer's is taken for self-signed: its chain would never be verified.
  if (o.user === caName) throw new ConfigurationError(`--user: ${JSON.stringify(o.user)} is the name of the CA itself`)
  return pki.client({ commonName: o.user, organizations: o.groups })
}

/** @throws ConfigurationError where no server has made its CA there yet. */
export function openPki(dataDir: string): Pki {
  if (!existsSync(join(dataDir, 'pki/ca.key')))
    throw new ConfigurationError(`--data-dir: ${dataDir} has no pki/ca.key; start the server there once`)
  return new Pki(new DataDir(dataDir), () => systemClock.now())
}

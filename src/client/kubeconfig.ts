/**
 * Reads a kubeconfig: where another API server is, how it proves itself, and what we show it.
 *
 * Callers:  app/ for webhooks and for servers that are fronted; cli/ to reach a running server.
 * Not here: connections (proxy/reach/remote-server.ts), noticing that a file changed (app/files/file-watch.ts).
 *
 * Programs that a kubeconfig names (exec, auth-provider) are refused: a server runs nothing that a file tells it to.
 */
import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parse } from 'yaml'

/** One context of a kubeconfig, with the content of its files. */
export interface ClusterAccess {
  /** Without a slash at its end. */
  readonly server: string
  /** PEM; undefined: the system's roots. */
  readonly ca: string | undefined
  /** Verified instead of the server's host. */
  readonly serverName: string | undefined
  readonly insecureSkipVerify: boolean
  readonly clientCertificate: { readonly cert: string; readonly key: string } | undefined
  /** `Bearer ...` or `Basic ...`. */
  readonly authorization: string | undefined
  /** The kubeconfig itself and what it names: what to look at for changes. */
  readonly files: readonly string[]
}

type Fields = Readonly<Record<string, unknown>>

/** @throws Error that names the file and the field. */
export function readKubeconfig(path: string, context?: string): ClusterAccess {
  const root = fieldsOf(parse(readFileSync(path, 'utf8')), `${path}: is no kubeconfig`)
  const files = [path]
  const wanted = context ?? textOf(root, 'current-context')
  const chosen =
    wanted === undefined || wanted === ''
      ? undefined
      : fieldsOf(named(root, 'contexts', wanted)?.['context'], `${path}: no context ${JSON.stringify(wanted)}`)
  const cluster = fieldsOf(
    part(root, { list: 'clusters', entry: 'cluster', name: textOf(chosen ?? {}, 'cluster') }),
    `${path}: names no cluster to connect to`,
  )
  const user = part(root, { list: 'users', entry: 'user', name: textOf(chosen ?? {}, 'user') }) as Fields | undefined
  const file = (fields: Fields, field: string): string | undefined => {
    const inline = textOf(fields, `${field}-data`)
    if (inline !== undefined) return Buffer.from(inline, 'base64').toString('utf8')
    return read(textOf(fields, field), field)
  }
  const read = (named: string | undefined, field: string): string | undefined => {
    if (named === undefined || named === '') return undefined
    const found = resolve(dirname(path), named)
    files.push(found)
    try {
      return readFileSync(found, 'utf8')
    } catch (e) {
      throw new Error(`${path}: ${field}: ${(e as Error).message}`, { cause: e })
    }
  }
  return {
    server: serverOf(cluster, path),
    ca: file(cluster, 'certificate-authority'),
    serverName: textOf(cluster, 'tls-server-name'),
    insecureSkipVerify: cluster['insecure-skip-tls-verify'] === true,
    ...credentialsOf(user ?? {}, { path, file, read }),
    files,
  }
}

function serverOf(cluster: Fields, path: string): string {
  const server = textOf(cluster, 'server') ?? ''
  if (!/^https?:\/\/[^/]/.test(server) || !URL.canParse(server))
    throw new Error(`${path}: server: ${JSON.stringify(server)} is no http or https URL`)
  if (textOf(cluster, 'proxy-url') !== undefined) throw new Error(`${path}: proxy-url: is not supported`)
  return server.replace(/\/+$/, '')
}

function credentialsOf(
  user: Fields,
  o: {
    path: string
    file: (fields: Fields, field: string) => string | undefined
    read: (named: string | undefined, field: string) => string | undefined
  },
): Pick<ClusterAccess, 'clientCertificate' | 'authorization'> {
  for (const program of ['exec', 'auth-provider'])
    if (user[program] !== undefined) throw new Error(`${o.path}: ${program}: programs are not run for credentials`)
  const cert = o.file(user, 'client-certificate')
  const key = o.file(user, 'client-key')
  if ((cert === undefined) !== (key === undefined))
    throw new Error(`${o.path}: client-certificate and client-key are needed together`)
  const token = o.read(textOf(user, 'tokenFile'), 'tokenFile')?.trim() ?? textOf(user, 'token')
  const name = textOf(user, 'username')
  const basic = name === undefined ? undefined : Buffer.from(`${name}:${textOf(user, 'password') ?? ''}`)
  return {
    clientCertificate: cert === undefined || key === undefined ? undefined : { cert, key },
    authorization: token ? `Bearer ${token}` : basic && `Basic ${basic.toString('base64')}`,
  }
}

/** The entry of that name; without a name the first one, as webhook kubeconfigs often have no context. */
function part(root: Fields, o: { list: string; entry: string; name: string | undefined }): unknown {
  const first = Array.isArray(root[o.list]) ? (root[o.list] as unknown[])[0] : undefined
  const found = o.name === undefined ? (first as Fields | undefined) : named(root, o.list, o.name)
  return found?.[o.entry]
}
function named(root: Fields, list: string, name: string): Fields | undefined {
  const all = Array.isArray(root[list]) ? (root[list] as (Fields | null)[]) : []
  return all.find((entry) => entry?.['name'] === name) ?? undefined
}
function fieldsOf(value: unknown, otherwise: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(otherwise)
  return value as Fields
}
function textOf(fields: Fields, field: string): string | undefined {
  const value = fields[field]
  return typeof value === 'string' && value !== '' ? value : undefined
}

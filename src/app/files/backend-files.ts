/**
 * --backends-config: APIServices and BackendPolicies from files instead of the storage, read again when they change.
 * The same reader serves `portico check`, which needs no server.
 *
 * Owns:    one timer that looks at the files.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { APIService } from '../../api/apiservice.ts'
import type { BackendPolicy } from '../../api/backend-policy.ts'
import { DecodeError, decodeBody } from '../../api/codec/codec.ts'
import { fieldErrorMessage } from '../../api/field-error.ts'
import type { KubeObject } from '../../api/meta.ts'
import { dns1123Subdomain, pathSegment } from '../../api/names.ts'
import type { TypeTable } from '../../api/schema/type-table.ts'
import type { Cancel, Clock } from '../../lib/clock.ts'
import { Publisher } from '../../lib/published.ts'
import type { Logger } from '../../observability/logger.ts'
import type { Strategy, Write } from '../../registry/strategy.ts'
import { nothingRegistered } from '../../servers/aggregator/kinds/ambiguity.ts'
import { apiServiceStrategy } from '../../servers/aggregator/kinds/apiservice-strategy.ts'
import { backendPolicyStrategy } from '../../servers/aggregator/kinds/policy-strategy.ts'
import { ConfigurationError } from '../config/configuration-error.ts'

export interface BackendDocuments {
  readonly apiServices: readonly APIService[]
  readonly policies: readonly BackendPolicy[]
}
/** What was found in one document of a file. */
export interface CheckedDocument {
  /** `backends.yaml#2`. */
  readonly where: string
  readonly object: KubeObject | undefined
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
}

const KINDS: readonly { readonly apiVersion: string; readonly kind: string; readonly strategy: Strategy }[] = [
  { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', strategy: apiServiceStrategy(nothingRegistered) },
  {
    apiVersion: 'gateway.portico.dev/v1alpha1',
    kind: 'BackendPolicy',
    strategy: backendPolicyStrategy(nothingRegistered),
  },
]
const LOOK_EVERY_MS = 1_000
const EXTENSIONS = /\.(ya?ml|json)$/

/** All documents of a file, or of the YAML and JSON files of a folder. @throws ConfigurationError where it cannot be read. */
export function checkBackendFiles(path: string, types: TypeTable): CheckedDocument[] {
  const checked = filesOf(path).flatMap((file) => checkFile(file, types))
  const seen = new Map<string, string>()
  return checked.map((c) => {
    if (!c.object) return c
    const key = `${c.object.kind} ${c.object.metadata.name}`
    const before = seen.get(key)
    seen.set(key, c.where)
    return before === undefined ? c : { ...c, errors: [...c.errors, `${key} stands in ${before} too`] }
  })
}

function filesOf(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path]
    return readdirSync(path)
      .filter((name) => EXTENSIONS.test(name))
      .sort()
      .map((name) => join(path, name))
  } catch (e) {
    throw new ConfigurationError(`${path} cannot be read: ${(e as NodeJS.ErrnoException).code}`)
  }
}

function checkFile(file: string, types: TypeTable): CheckedDocument[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (e) {
    throw new ConfigurationError(`${file} cannot be read: ${(e as NodeJS.ErrnoException).code}`)
  }
  const documents = parseAllDocuments(text, { uniqueKeys: true })
  if (!Array.isArray(documents)) return []
  return documents.flatMap((document, i) => {
    const where = `${file}#${i + 1}`
    if (document.errors.length > 0)
      return [{ where, object: undefined, errors: document.errors.map((e) => e.message), warnings: [] }]
    const value: unknown = document.toJS()
    return value === null || value === undefined ? [] : [checkDocument(where, value, types)]
  })
}

function checkDocument(where: string, value: unknown, types: TypeTable): CheckedDocument {
  const failed = (...errors: string[]): CheckedDocument => ({ where, object: undefined, errors, warnings: [] })
  const { apiVersion, kind } = Object(value) as { apiVersion?: unknown; kind?: unknown }
  const known = KINDS.find((k) => k.apiVersion === apiVersion && k.kind === kind)
  if (!known)
    return failed(`holds ${String(apiVersion)} ${String(kind)}; known are ${KINDS.map((k) => k.kind).join(' and ')}`)
  try {
    const decoded = decodeBody(Buffer.from(JSON.stringify(value)), 'json', types, known)
    const object = decoded.object as KubeObject
    object.metadata ??= {}
    const { name = '' } = object.metadata
    const write: Write = { user: FILE_USER, namespace: '', name, now: 0, dryRun: true }
    known.strategy.prepare(write, object)
    // The uid differs, so that a part which keeps state by uid does not take one file's object for another's.
    object.metadata.uid = `file-${name}`
    const nameErrors = (known.kind === 'APIService' ? pathSegment : dns1123Subdomain)(name)
    return {
      where,
      object,
      errors: [
        ...decoded.problems,
        ...nameErrors.map((text) => `metadata.name: ${text}`),
        ...known.strategy.validate(write, object).map(fieldErrorMessage),
      ],
      warnings: known.strategy.warnings?.(write, object) ?? [],
    }
  } catch (e) {
    if (e instanceof DecodeError) return failed(e.message)
    throw e
  }
}
const FILE_USER = { name: 'system:file', groups: [] }

export interface BackendFiles extends AsyncDisposable {
  readonly apiServices: Publisher<readonly APIService[]>
  readonly policies: Publisher<readonly BackendPolicy[]>
}

/** @throws ConfigurationError where the files cannot be used at the start; later the last good ones stay. */
export function followBackendFiles(path: string, o: { types: TypeTable; clock: Clock; log: Logger }): BackendFiles {
  let state = stateOf(path)
  const first = readAll(path, o.types)
  const apiServices = new Publisher(first.apiServices)
  const policies = new Publisher(first.policies)
  let cancel: Cancel = () => {}
  const look = (): void => {
    cancel = o.clock.after(LOOK_EVERY_MS, look)
    const now = stateOf(path)
    if (now === state) return
    state = now
    try {
      const next = readAll(path, o.types)
      policies.publish(next.policies)
      apiServices.publish(next.apiServices)
      o.log.info('the backends of files were read again', { path, apiServices: next.apiServices.length })
    } catch (error) {
      o.log.error('changed files of backends cannot be used; the last good ones stay', { path, error })
    }
  }
  cancel = o.clock.after(LOOK_EVERY_MS, look)
  return { apiServices, policies, [Symbol.asyncDispose]: async () => cancel() }
}

function readAll(path: string, types: TypeTable): BackendDocuments {
  const checked = checkBackendFiles(path, types)
  const wrong = checked.flatMap((c) => c.errors.map((e) => `${c.where}: ${e}`))
  if (wrong.length > 0) throw new ConfigurationError(`--backends-config: ${wrong.join('; ')}`)
  const ofKind = <T>(kind: string): T[] => checked.flatMap(({ object }) => (object?.kind === kind ? [object as T] : []))
  return { apiServices: ofKind<APIService>('APIService'), policies: ofKind<BackendPolicy>('BackendPolicy') }
}

/** Changes with every write to one of the files. */
function stateOf(path: string): string {
  try {
    return filesOf(path)
      .map((file) => {
        const { mtimeMs, size, ino } = statSync(file)
        return `${file} ${mtimeMs} ${size} ${ino}`
      })
      .join('\n')
  } catch {
    return 'gone'
  }
}

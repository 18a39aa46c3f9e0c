/**
 * Merges the OpenAPI v2 documents of several servers into one. Pure: documents are not changed.
 * Source: kube-openapi's aggregator; its rules are kept, among them that the first document wins a path.
 */
import { isDeepStrictEqual } from 'node:util'
import { reachable, rewriteReferences } from './references.ts'
import type { Json } from './schemas.ts'

const DEFINITION = '#/definitions/'
const PARAMETER = '#/parameters/'
const KINDS = 'x-kubernetes-group-version-kind'

/**
 * Keeps the paths that start with one of the prefixes, and the exact ones. A definition goes only if some path led to it before
 * and none does now: what was never referred to stays.
 */
export function filterPaths(document: Json, prefixes: readonly string[], exact: readonly string[] = []): Json {
  const paths = objectOf(document['paths'])
  const isKept = (path: string): boolean => exact.includes(path) || prefixes.some((p) => path.startsWith(p))
  const kept = Object.fromEntries(Object.entries(paths).filter(([path]) => isKept(path)))
  return withPaths(document, kept)
}

/** @param documents best first. @returns undefined where there is none. */
export function mergeV2(documents: readonly Json[]): Json | undefined {
  const [first, ...others] = documents
  if (!first || others.length === 0) return first
  // What is added to: copied once, since each copy of a growing document costs more than the one before.
  const target: Json = { ...first, paths: { ...objectOf(first['paths']) } }
  target['definitions'] = { ...objectOf(first['definitions']) }
  if (first['parameters'] !== undefined) target['parameters'] = { ...objectOf(first['parameters']) }
  for (const source of others) mergeInto(target, source)
  return target
}

/** Changes target and the objects directly below it. */
function mergeInto(target: Json, source: Json): void {
  const taken = objectOf(target['paths'])
  const free = Object.fromEntries(Object.entries(objectOf(source['paths'])).filter(([p]) => !Object.hasOwn(taken, p)))
  const added = withPaths(source, free)
  const definitions = mergeNamed(objectOf(target['definitions']), objectOf(added['definitions']))
  const parameters = mergeNamed(objectOf(target['parameters']), objectOf(added['parameters']))
  const rename = (reference: string): string =>
    renamed(reference, DEFINITION, definitions.renames) ??
    renamed(reference, PARAMETER, parameters.renames) ??
    reference
  const finish = (added: Json): Json =>
    definitions.renames.size + parameters.renames.size === 0 ? added : rewriteReferences(added, rename)
  Object.assign(taken, finish(objectOf(added['paths'])))
  Object.assign(objectOf(target['definitions']), finish(definitions.added))
  if (added['parameters'] !== undefined) target['parameters'] ??= {}
  Object.assign(objectOf(target['parameters']), finish(parameters.added))
}

interface MergedNames {
  readonly added: Json
  readonly renames: ReadonlyMap<string, string>
}

/** Equal ones are shared, and know the kinds of both in target; different ones become `<name>_v2`, `_v3` ... */
function mergeNamed(kept: Json, source: Json): MergedNames {
  const added: Json = {}
  const renames = new Map<string, string>()
  for (const [name, value] of Object.entries(source)) {
    const free = freeName(name, value, kept, source)
    if (free !== name) renames.set(name, free)
    if (Object.hasOwn(kept, free)) kept[free] = withKindsOf(objectOf(kept[free]), objectOf(value))
    else added[free] = value
  }
  return { added, renames }
}

function freeName(name: string, value: unknown, target: Json, source: Json): string {
  let candidate = name
  for (let n = 2; ; n++) {
    const mayTake = !Object.hasOwn(target, candidate) && (candidate === name || !Object.hasOwn(source, candidate))
    if (mayTake || (Object.hasOwn(target, candidate) && equalButKinds(target[candidate], value))) return candidate
    candidate = `${name}_v${n}`
  }
}

function equalButKinds(a: unknown, b: unknown): boolean {
  const { [KINDS]: _a, ...one } = objectOf(a)
  const { [KINDS]: _b, ...other } = objectOf(b)
  return isDeepStrictEqual(one, other)
}

interface Kind {
  readonly group?: unknown
  readonly version?: unknown
  readonly kind?: unknown
}

function withKindsOf(target: Json, source: Json): Json {
  const kinds = new Map<string, Kind>()
  for (const value of [...listOf(target[KINDS]), ...listOf(source[KINDS])]) {
    const kind: Kind = objectOf(value)
    kinds.set(`${textOf(kind.group)}/${textOf(kind.version)}.${textOf(kind.kind)}`, kind)
  }
  if (kinds.size === 0) return target
  return { ...target, [KINDS]: [...kinds].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kind]) => kind) }
}

function withPaths(document: Json, paths: Json): Json {
  const definitions = objectOf(document['definitions'])
  const shared = [document['parameters'], document['responses']]
  const before = reachable([document['paths'], ...shared], definitions, DEFINITION)
  const after = reachable([paths, ...shared], definitions, DEFINITION)
  const kept = Object.entries(definitions).filter(([name]) => !before.has(name) || after.has(name))
  return { ...document, paths, definitions: Object.fromEntries(kept) }
}

function renamed(reference: string, prefix: string, renames: ReadonlyMap<string, string>): string | undefined {
  if (!reference.startsWith(prefix)) return undefined
  const name = renames.get(reference.slice(prefix.length))
  return name === undefined ? undefined : prefix + name
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
}
/** Documents are foreign: a name may be anything. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '')
}
function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

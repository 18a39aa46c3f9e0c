/**
 * The servers whose documents describe an APIService: one server's, or several servers' where routes divide its resources.
 *
 * Callers: discovery-downloads.ts and openapi/ ask each source and keep of each what it owns.
 */
import type { Handler } from '../../../http/filter.ts'
import type { ResourceDiscovery } from '../../../endpoints/discovery-types.ts'
import type { Json } from '../../../endpoints/openapi/schemas.ts'

export interface DocumentSource {
  /** A transport as the aggregator's own user, whatever the availability. */
  readonly direct: Handler
  /** Equal for the same server. */
  readonly documentKey: string
  /** Served by this process: there is nothing to download. */
  readonly isLocal: boolean
  readonly share: Share
}
/** Which resources of the group version one of its servers has. Plain data: it goes to another thread. */
export interface Share {
  readonly name: string
  /** Resource -> name of the server that has it. */
  readonly owners: ReadonlyMap<string, string>
  /** The server of the other resources. */
  readonly fallback: string
}
/** @param resource without its subresource. */
function owns(share: Share | undefined, resource: string): boolean {
  return share === undefined || (share.owners.get(resource) ?? share.fallback) === share.name
}

export function ownedResources(
  parts: readonly { readonly source: DocumentSource; readonly resources: readonly ResourceDiscovery[] }[],
): readonly ResourceDiscovery[] {
  const [only] = parts
  if (parts.length === 1) return only!.resources
  return parts
    .flatMap(({ source, resources }) => resources.filter((r) => owns(source.share, r.resource)))
    .toSorted((a, b) => (a.resource < b.resource ? -1 : 1))
}

/**
 * One document of several: of each its paths of resources that it owns, with the schemas that they lead to. Where two
 * servers need a schema of one name, the first one's counts.
 * @param key `apis/apps/v1`. @param schemas where a document has its schemas: `components.schemas` or `definitions`.
 */
export function ownedPaths(
  parts: readonly { readonly share: Share | undefined; readonly document: Json }[],
  key: string,
  schemas: 'v3' | 'v2',
): Json | undefined {
  const [first] = parts
  if (!first || parts.length === 1) return first?.document
  const paths: Json = {}
  const needed: Json = {}
  const others: Json = {}
  for (const { share, document } of parts) {
    const [own, foreign]: [Json, Json] = [{}, {}]
    for (const [path, item] of Object.entries((document['paths'] ?? {}) as Json))
      (!Object.hasOwn(paths, path) && owns(share, resourceIn(path, key)) ? own : foreign)[path] = item
    Object.assign(paths, own)
    const given = schemasOf(document, schemas)
    const [used, left] = [reached(own, given), reached(foreign, given)]
    for (const [name, schema] of Object.entries(given)) {
      if (used.has(name)) needed[name] ??= schema
      else if (!left.has(name)) others[name] ??= schema
    }
  }
  const merged = { ...others, ...needed }
  const { document } = first
  return schemas === 'v2'
    ? { ...document, paths, definitions: merged }
    : { ...document, paths, components: { ...(document['components'] as Json | undefined), schemas: merged } }
}
const schemasOf = (d: Json, form: 'v3' | 'v2'): Json =>
  ((form === 'v2' ? d['definitions'] : (d['components'] as Json | undefined)?.['schemas']) ?? {}) as Json

/** Names of the schemas that a piece of a document refers to, directly or through others. O(what it reaches). */
function reached(piece: Json, schemas: Json): ReadonlySet<string> {
  const names = new Set<string>()
  const open: unknown[] = [piece]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next !== 'object' || next === null) continue
    for (const [key, value] of Object.entries(next)) {
      if (key !== '$ref' || typeof value !== 'string') {
        open.push(value)
        continue
      }
      const name = value.slice(value.lastIndexOf('/') + 1)
      if (names.has(name) || !Object.hasOwn(schemas, name)) continue
      names.add(name)
      open.push(schemas[name])
    }
  }
  return names
}

/** `/apis/g/v/namespaces/{namespace}/flowers/{name}/status` -> `flowers`; empty for what is of no resource. */
function resourceIn(path: string, key: string): string {
  const parts = path.slice(key.length + 2).split('/')
  if (parts[0] === 'watch') parts.shift()
  return (
    (parts[0] === 'namespaces' && parts[1]?.startsWith('{') === true && parts.length > 2 ? parts[2] : parts[0]) ?? ''
  )
}

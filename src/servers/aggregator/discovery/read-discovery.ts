/**
 * Reads the discovery documents of backends. They are foreign: nothing is taken over that is not of the right type,
 * since one list of resources is read by every client and by our own controllers.
 */
import { type APIResource, fromApiResourceList } from '../../../endpoints/discovery.ts'
import type { ResourceDiscovery, SubresourceDiscovery } from '../../../endpoints/discovery-types.ts'

type Fields = Readonly<Record<string, unknown>>
type Kind = ResourceDiscovery['responseKind']

/**
 * An APIGroupDiscoveryList, by `group/version`. A version with an entry that cannot be read is left out.
 * @throws SyntaxError, TypeError for a document that is none.
 */
export function readAggregated(body: string): Map<string, readonly ResourceDiscovery[]> {
  const versions = new Map<string, readonly ResourceDiscovery[]>()
  for (const item of listOf(fieldsOf(JSON.parse(body))['items'])) {
    try {
      const { metadata, versions: offered } = fieldsOf(item)
      const group = textOf(fieldsOf(metadata ?? {})['name'])
      for (const v of listOf(offered)) readVersion(group, fieldsOf(v), versions)
    } catch (e) {
      if (!(e instanceof TypeError)) throw e
    }
  }
  return versions
}

function readVersion(group: string, v: Fields, versions: Map<string, readonly ResourceDiscovery[]>): void {
  try {
    versions.set(`${group}/${textOf(v['version'])}`, readResources(v['resources']))
  } catch (e) {
    if (!(e instanceof TypeError)) throw e
  }
}

/** The group versions of an APIGroupDiscoveryList that its server could not ask itself. */
export function readStale(body: string): Set<string> {
  const stale = new Set<string>()
  for (const item of listOf(fieldsOf(JSON.parse(body))['items'])) {
    try {
      const { metadata, versions } = fieldsOf(item)
      const group = textOf(fieldsOf(metadata ?? {})['name'])
      for (const v of listOf(versions).map(fieldsOf))
        if (v['freshness'] === 'Stale') stale.add(`${group}/${textOf(v['version'])}`)
    } catch (e) {
      if (!(e instanceof TypeError)) throw e
    }
  }
  return stale
}

/** An APIVersions or an APIGroupList, best version first. @throws SyntaxError, TypeError where it is neither. */
export function readGroupVersions(body: string): { group: string; version: string }[] {
  const { kind, versions, groups } = fieldsOf(JSON.parse(body))
  if (kind === 'APIVersions') return textsOf(versions).map((version) => ({ group: '', version }))
  if (kind !== 'APIGroupList') throw new TypeError('neither APIVersions nor an APIGroupList')
  return listOf(groups).flatMap((entry) => {
    const g = fieldsOf(entry)
    const group = nameOf(g['name'])
    return listOf(g['versions']).map((v) => ({ group, version: nameOf(fieldsOf(v)['version']) }))
  })
}

/** As they are in an APIGroupDiscoveryList. @throws TypeError */
export function readResources(value: unknown): ResourceDiscovery[] {
  return listOf(value).map(readResource)
}

/** An APIResourceList. @throws SyntaxError, TypeError where it is none. */
export function readResourceList(
  body: string,
  group: string,
  version: string,
): { readonly groupVersion: string | undefined; readonly resources: ResourceDiscovery[] } {
  const fields = fieldsOf(JSON.parse(body))
  const list = listOf(fields['resources']).map((entry): APIResource => {
    const r = fieldsOf(entry)
    return {
      name: nameOf(r['name']),
      singularName: textOf(r['singularName']),
      namespaced: r['namespaced'] === true,
      group: textOf(r['group']),
      version: textOf(r['version']),
      kind: textOf(r['kind']),
      verbs: textsOf(r['verbs']),
      ...optionalTexts(r, 'shortNames'),
      ...optionalTexts(r, 'categories'),
    }
  })
  const given = fields['groupVersion']
  return {
    groupVersion: typeof given === 'string' && given !== '' ? given : undefined,
    resources: fromApiResourceList(list, group, version),
  }
}

function readResource(entry: unknown): ResourceDiscovery {
  const r = fieldsOf(entry)
  const subresources = listOf(r['subresources'])
  return {
    resource: nameOf(r['resource']),
    responseKind: kindOf(r['responseKind']),
    scope: r['scope'] === 'Namespaced' ? 'Namespaced' : 'Cluster',
    singularResource: textOf(r['singularResource']),
    verbs: textsOf(r['verbs']),
    ...optionalTexts(r, 'shortNames'),
    ...optionalTexts(r, 'categories'),
    ...(subresources.length > 0 ? { subresources: subresources.map(readSubresource) } : {}),
  }
}

function readSubresource(entry: unknown): SubresourceDiscovery {
  const s = fieldsOf(entry)
  const accepted = listOf(s['acceptedTypes'])
  return {
    subresource: nameOf(s['subresource']),
    responseKind: kindOf(s['responseKind']),
    ...(accepted.length > 0 ? { acceptedTypes: accepted.map(kindOf) } : {}),
    verbs: textsOf(s['verbs']),
  }
}

/** A missing list becomes an empty list: old clients read it without looking. */
function kindOf(value: unknown): Kind {
  const { group, version, kind } = fieldsOf(value ?? {})
  return { group: textOf(group), version: textOf(version), kind: textOf(kind) }
}
function optionalTexts<K extends string>(fields: Fields, key: K): { [P in K]?: readonly string[] } {
  const texts = textsOf(fields[key])
  return (texts.length > 0 ? { [key]: texts } : {}) as { [P in K]?: readonly string[] }
}
function fieldsOf(value: unknown): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('not an object')
  return value as Fields
}
/** Go writes null for an empty list. */
function listOf(value: unknown): readonly unknown[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw new TypeError('not a list')
  return value
}
function textOf(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value !== 'string') throw new TypeError('not a string')
  return value
}
function nameOf(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new TypeError('no name')
  return value
}
function textsOf(value: unknown): readonly string[] {
  return listOf(value).map(textOf)
}

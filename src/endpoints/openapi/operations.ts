/**
 * The operations of a group version: paths, ids, actions, parameters and bodies. Both versions of OpenAPI are
 * written from them. Source: apiserver's installer; ids and order of words are exact.
 */
import type { SchemaSource } from '../../api/schema/schema-source.ts'
import { metaType } from '../../api/schema/meta-types.ts'
import { pathOf } from '../../api/group-version.ts'
import type { DescribedGroupVersion, DescribedResource } from './described-api.ts'
import * as names from './parameters.ts'

export const MEDIA_TYPES: readonly string[] = [
  'application/json',
  'application/vnd.kubernetes.protobuf',
  'application/yaml',
]
const STREAM_TYPES = [
  'application/json',
  'application/json;stream=watch',
  'application/vnd.kubernetes.protobuf',
  'application/vnd.kubernetes.protobuf;stream=watch',
  'application/yaml',
]
const APPLY_PATCH = 'application/apply-patch+yaml'
const JSON_PATCH = 'application/json-patch+json'
const MERGE_PATCH = 'application/merge-patch+json'
const STRATEGIC_PATCH = 'application/strategic-merge-patch+json'

export type Method = 'get' | 'put' | 'post' | 'delete' | 'patch'

export interface Operation {
  readonly path: string
  readonly method: Method
  readonly id: string
  readonly action: string
  readonly kind: string
  /** The body that is read, if any. */
  readonly body: SchemaSource | undefined
  readonly bodyRequired: boolean
  /** What is answered; a list of it for list. */
  readonly answer: SchemaSource
  readonly answersList: boolean
  readonly codes: readonly number[]
  /** Media types of answers. */
  readonly produces: readonly string[]
  /** Media types of bodies. */
  readonly consumes: readonly string[]
  readonly parameters: readonly names.QueryParameter[]
  readonly description: string
}

/** The scope of a path: where it stands and how its ids are worded. */
interface Place {
  readonly path: string
  /** `Namespaced` or ''. */
  readonly scope: string
  /** `ForAllNamespaces` or ''. */
  readonly suffix: string
}

export function operationsOf(gv: DescribedGroupVersion): Operation[] {
  return gv.resources.flatMap((r) => new ResourceOperations(gv, r).all())
}

/** `CoreV1`, `RbacAuthorizationV1`: how ids name a group version. */
export function groupVersionWords({ group, version }: { group: string; version: string }): string {
  const parts = group === '' ? ['core'] : group.replace(/\.k8s\.io$/, '').split('.')
  return [...parts, version].map((p) => upperFirst(p.replaceAll(/-(.)/g, (_, c: string) => c.toUpperCase()))).join('')
}

class ResourceOperations {
  readonly #gv: DescribedGroupVersion
  readonly #r: DescribedResource
  readonly #words: string
  readonly #found: Operation[] = []

  constructor(gv: DescribedGroupVersion, r: DescribedResource) {
    this.#gv = gv
    this.#r = r
    this.#words = groupVersionWords(gv)
  }

  all(): Operation[] {
    const root = pathOf(this.#gv)
    const { resource, namespaced } = this.#r
    const scoped: Place = namespaced
      ? { path: `/namespaces/{namespace}/${resource}`, scope: 'Namespaced', suffix: '' }
      : { path: `/${resource}`, scope: '', suffix: '' }
    const at = (prefix: string, place: Place): Place => ({ ...place, path: `${root}${prefix}${place.path}` })
    this.#collection(at('', scoped))
    this.#item(at('', { ...scoped, path: `${scoped.path}/{name}` }))
    this.#subresources(at('', { ...scoped, path: `${scoped.path}/{name}` }))
    const everywhere: Place = { path: `/${resource}`, scope: '', suffix: 'ForAllNamespaces' }
    if (namespaced && this.#has('list')) this.#list(at('', everywhere))
    if (this.#has('watch')) this.#watches(at('/watch', scoped), namespaced ? at('/watch', everywhere) : undefined)
    return this.#found
  }

  #has(verb: string): boolean {
    return this.#r.verbs.includes(verb)
  }

  #collection(place: Place): void {
    const { kind, type } = this.#r
    if (this.#has('list')) this.#list(place)
    if (this.#has('create'))
      this.#add(place, {
        method: 'post',
        verb: 'create',
        action: 'post',
        body: type,
        codes: [200, 201, 202],
        parameters: names.WRITE,
        description: `create a ${kind}`,
      })
    if (this.#has('deletecollection'))
      this.#add(place, {
        method: 'delete',
        verb: 'delete',
        id: `delete${this.#words}Collection${place.scope}${kind}`,
        action: 'deletecollection',
        body: metaType('DeleteOptions'),
        bodyRequired: false,
        answer: metaType('Status'),
        parameters: names.DELETE_COLLECTION,
        description: `delete collection of ${kind}`,
      })
  }

  #list(place: Place): void {
    this.#add(place, {
      method: 'get',
      verb: 'list',
      action: 'list',
      answersList: true,
      streams: this.#has('watch'),
      parameters: names.LIST,
      description: `list or watch objects of kind ${this.#r.kind}`,
    })
  }

  #item(place: Place): void {
    const { kind, type } = this.#r
    if (this.#has('get'))
      this.#add(place, { method: 'get', verb: 'read', action: 'get', description: `read the specified ${kind}` })
    if (this.#has('update')) this.#replace(place, type, '')
    if (this.#has('patch')) this.#patch(place, '')
    if (this.#has('delete'))
      this.#add(place, {
        method: 'delete',
        verb: 'delete',
        action: 'delete',
        body: metaType('DeleteOptions'),
        bodyRequired: false,
        answer: metaType('Status'),
        codes: [200, 202],
        parameters: names.DELETE,
        description: `delete a ${kind}`,
      })
  }

  #subresources(item: Place): void {
    for (const { name, verbs, type, kind } of this.#r.subresources ?? []) {
      const place = { ...item, path: `${item.path}/${name}` }
      const words = upperFirst(name)
      if (verbs.includes('get'))
        this.#add(place, {
          method: 'get',
          verb: 'read',
          subresource: words,
          action: 'get',
          answer: type,
          description: `read ${name} of the specified ${kind}`,
        })
      if (verbs.includes('update')) this.#replace(place, type, words)
      if (verbs.includes('patch')) this.#patch(place, words)
      if (verbs.includes('create'))
        this.#add(place, {
          method: 'post',
          verb: 'create',
          subresource: words,
          action: 'post',
          body: type,
          answer: type,
          codes: [200, 201, 202],
          parameters: names.WRITE,
          description: `create ${name} of a ${kind}`,
        })
    }
  }

  #replace(place: Place, type: SchemaSource, subresource: string): void {
    this.#add(place, {
      method: 'put',
      verb: 'replace',
      subresource,
      action: 'put',
      body: type,
      answer: type,
      codes: [200, 201],
      parameters: names.WRITE,
      description: `replace the specified ${this.#r.kind}`,
    })
  }

  #patch(place: Place, subresource: string): void {
    this.#add(place, {
      method: 'patch',
      verb: 'patch',
      subresource,
      action: 'patch',
      body: metaType('Patch'),
      codes: [200, 201],
      parameters: names.PATCH,
      description: `partially update the specified ${this.#r.kind}`,
    })
  }

  /** The old paths below /watch. */
  #watches(place: Place, everywhere: Place | undefined): void {
    const { kind } = this.#r
    const event = metaType('WatchEvent')
    const common = { method: 'get', verb: 'watch', answer: event, streams: true, parameters: names.LIST } as const
    const list = { ...common, action: 'watchlist', description: `watch individual changes to a list of ${kind}` }
    this.#add(place, { ...list, subresource: 'List' })
    this.#add(
      { ...place, path: `${place.path}/{name}` },
      { ...common, action: 'watch', description: `watch changes to an object of kind ${kind}` },
    )
    if (everywhere) this.#add(everywhere, { ...list, subresource: 'List' })
  }

  #produces(streams: boolean): readonly string[] {
    if (this.#r.encodings?.includes('protobuf') === false) return ['application/json', 'application/yaml']
    return streams ? STREAM_TYPES : MEDIA_TYPES
  }

  #add(
    place: Place,
    o: Pick<Operation, 'method' | 'action' | 'description'> &
      Partial<Operation> & { readonly verb: string; readonly subresource?: string; readonly streams?: boolean },
  ): void {
    const { kind, type } = this.#r
    const id = `${o.verb}${this.#words}${place.scope}${kind}${o.subresource ?? ''}${place.suffix}`
    this.#found.push({
      path: place.path,
      method: o.method,
      id: o.id ?? id,
      action: o.action,
      kind,
      body: o.body,
      bodyRequired: o.bodyRequired ?? o.body !== undefined,
      answer: o.answer ?? type,
      answersList: o.answersList ?? false,
      codes: o.codes ?? [200],
      produces: this.#produces(o.streams ?? false),
      consumes: o.method === 'patch' ? patchTypes(this.#r) : ['*/*'],
      parameters: o.parameters ?? [],
      description: o.description,
    })
  }
}

/** As upstream describes kinds with and without strategic merge patches. */
function patchTypes({ strategicPatch = true }: DescribedResource): readonly string[] {
  return strategicPatch
    ? [APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH]
    : [JSON_PATCH, MERGE_PATCH, APPLY_PATCH]
}

function upperFirst(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

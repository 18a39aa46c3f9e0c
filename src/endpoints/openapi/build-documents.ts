/**
 * OpenAPI documents from described group versions: one of version 3 per group version, one of version 2 for
 * all. Pure; documents are built once per change of what is served.
 */
import { metaType } from '../../api/schema/meta-types.ts'
import { pathOf } from '../../api/group-version.ts'
import type { DescribedGroupVersion, DocumentInfo } from './described-api.ts'
import { groupVersionWords, MEDIA_TYPES, type Operation, operationsOf } from './operations.ts'
import { pathParametersOf, PRETTY, type QueryParameter } from './parameters.ts'
import { type Json, SchemaBuilder, type SchemaKind, V2, V3 } from './schemas.ts'

const CODE_TEXTS: Readonly<Record<number, string>> = { 200: 'OK', 201: 'Created', 202: 'Accepted' }

/** The document of `/openapi/v3/<api/v1 | apis/g/v>`. */
export function buildV3(gv: DescribedGroupVersion, info: DocumentInfo): Json {
  const builder = new SchemaBuilder(V3, kindsOf([gv]))
  const paths = new PathsBuilder({
    operation: (operation, current) => operationV3(operation, current, builder),
    parameter: (p) => ({
      name: p.name,
      in: 'query',
      description: p.description,
      schema: { type: p.type, uniqueItems: true },
    }),
    pathParameter: (p) => ({ ...p, in: 'path', required: true, schema: { type: 'string', uniqueItems: true } }),
    resourceList: (current) => resourceListV3(current, builder),
  })
  paths.add(gv)
  return { openapi: '3.0.0', info, paths: paths.sorted(), components: { schemas: builder.schemas() } }
}

/** The document of `/openapi/v2`, in steps: together they take longer than the event loop should be held. */
export function* buildV2(gvs: readonly DescribedGroupVersion[], info: DocumentInfo): Generator<void, Json> {
  const builder = new SchemaBuilder(V2, kindsOf(gvs))
  const paths = new PathsBuilder({
    operation: (operation, current) => operationV2(operation, current, builder),
    parameter: (p) => ({ name: p.name, in: 'query', description: p.description, type: p.type, uniqueItems: true }),
    pathParameter: (p) => ({ ...p, in: 'path', required: true, type: 'string', uniqueItems: true }),
    resourceList: (current) => resourceListV2(current, builder),
  })
  for (const gv of gvs) yield paths.add(gv)
  const definitions = builder.schemas()
  yield
  return { swagger: '2.0', info, paths: paths.sorted(), definitions }
}

interface Renderer {
  operation(operation: Operation, gv: DescribedGroupVersion): Json
  parameter(parameter: QueryParameter): Json
  pathParameter(parameter: { readonly name: string; readonly description: string }): Json
  resourceList(gv: DescribedGroupVersion): Json
}

class PathsBuilder {
  readonly #renderer: Renderer
  readonly #paths = new Map<string, Json>()

  constructor(renderer: Renderer) {
    this.#renderer = renderer
  }
  add(gv: DescribedGroupVersion): void {
    const renderer = this.#renderer
    this.#paths.set(`${pathOf(gv)}/`, { get: renderer.resourceList(gv) })
    for (const operation of operationsOf(gv)) {
      let item = this.#paths.get(operation.path)
      if (!item) {
        const parameters = pathParametersOf(operation.path).map((p) => renderer.pathParameter(p))
        item = { parameters: [...parameters, renderer.parameter(PRETTY)] }
        this.#paths.set(operation.path, item)
      }
      const rendered = renderer.operation(operation, gv)
      const query = operation.parameters.map((p) => renderer.parameter(p))
      const own = (rendered['parameters'] ?? []) as Json[]
      item[operation.method] = {
        ...rendered,
        ...(query.length + own.length > 0 ? { parameters: [...own, ...query] } : {}),
      }
    }
  }
  sorted(): Json {
    return Object.fromEntries([...this.#paths].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}

function common(operation: Operation, gv: DescribedGroupVersion): Json {
  const { group, version } = gv
  return {
    tags: [tagOf(gv)],
    description: operation.description,
    operationId: operation.id,
    'x-kubernetes-action': operation.action,
    'x-kubernetes-group-version-kind': { group, version, kind: operation.kind },
  }
}

function operationV3(o: Operation, gv: DescribedGroupVersion, builder: SchemaBuilder): Json {
  const answer = contentOf(o.produces, answerOf(o, gv, builder))
  const body = o.body && contentOf(o.consumes, builder.reference(o.body))
  return {
    ...common(o, gv),
    ...(body ? { requestBody: { content: body, ...(o.bodyRequired ? { required: true } : {}) } } : {}),
    responses: responsesOf(o.codes, { content: answer }),
  }
}

function operationV2(o: Operation, gv: DescribedGroupVersion, builder: SchemaBuilder): Json {
  const body = o.body && {
    name: 'body',
    in: 'body',
    ...(o.bodyRequired ? { required: true } : {}),
    schema: builder.reference(o.body),
  }
  return {
    ...common(o, gv),
    consumes: o.consumes,
    produces: o.produces,
    schemes: ['https'],
    ...(body ? { parameters: [body] } : {}),
    responses: responsesOf(o.codes, { schema: answerOf(o, gv, builder) }),
  }
}

function answerOf(o: Operation, { group, version }: DescribedGroupVersion, builder: SchemaBuilder): Json {
  if (!o.answersList) return builder.reference(o.answer)
  return builder.listReference(o.answer, { group, version, kind: o.kind }, metaType('ListMeta'))
}

function resourceListV3(gv: DescribedGroupVersion, builder: SchemaBuilder): Json {
  const content = contentOf(MEDIA_TYPES, builder.reference(metaType('APIResourceList')))
  return { ...resourceList(gv), responses: responsesOf([200], { content }) }
}
function resourceListV2(gv: DescribedGroupVersion, builder: SchemaBuilder): Json {
  return {
    ...resourceList(gv),
    consumes: MEDIA_TYPES,
    produces: MEDIA_TYPES,
    schemes: ['https'],
    responses: responsesOf([200], { schema: builder.reference(metaType('APIResourceList')) }),
  }
}
function resourceList(gv: DescribedGroupVersion): Json {
  return {
    tags: [tagOf(gv)],
    description: 'get available resources',
    operationId: `get${groupVersionWords(gv)}APIResources`,
  }
}

/** `core_v1`, `rbacAuthorization_v1`. */
function tagOf({ group, version }: DescribedGroupVersion): string {
  const words = groupVersionWords({ group, version: '' })
  return `${words.slice(0, 1).toLowerCase()}${words.slice(1)}_${version}`
}

function responsesOf(codes: readonly number[], content: Json): Json {
  const responses: Json = {}
  for (const code of codes) responses[code] = { description: CODE_TEXTS[code], ...content }
  return { ...responses, 401: { description: 'Unauthorized' } }
}

function contentOf(types: readonly string[], schema: Json): Json {
  return Object.fromEntries(types.map((type) => [type, { schema }]))
}

/** Which models are kinds of their own, and of which group versions. */
function kindsOf(gvs: readonly DescribedGroupVersion[]): Map<string, SchemaKind[]> {
  const kinds = new Map<string, SchemaKind[]>()
  const add = (model: string, kind: SchemaKind): void => {
    const known = kinds.get(model)
    if (!known) kinds.set(model, [kind])
    else if (!known.some((k) => k.group === kind.group && k.version === kind.version && k.kind === kind.kind))
      known.push(kind)
  }
  for (const shared of ['Status', 'DeleteOptions', 'WatchEvent', 'APIResourceList'])
    add(metaType(shared).model, { group: '', version: 'v1', kind: shared })
  for (const { group, version, resources } of gvs) {
    for (const shared of ['DeleteOptions', 'WatchEvent']) add(metaType(shared).model, { group, version, kind: shared })
    for (const { type, kind, subresources = [] } of resources) {
      add(type.model, { group, version, kind })
      for (const sub of subresources) if (sub.type !== type) add(sub.type.model, { group, version, kind: sub.kind })
    }
  }
  return kinds
}

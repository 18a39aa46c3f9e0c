/**
 * OpenAPI v2 documents of servers that know no version 3, converted: one document per group version that the
 * paths name. Pure. Not converted: what Kubernetes servers do not use (form data, security definitions).
 */
import { reachable, rewriteReferences } from './references.ts'
import type { Json } from './schemas.ts'

const V2_PREFIX = '#/definitions/'
const V3_PREFIX = '#/components/schemas/'
const METHODS = new Set(['get', 'put', 'post', 'delete', 'options', 'head', 'patch'])
/** What stands in a version 2 parameter itself and in a version 3 parameter's schema. */
const SCHEMA_KEYS = new Set([
  'type',
  'format',
  'items',
  'default',
  'enum',
  'minimum',
  'maximum',
  'pattern',
  'uniqueItems',
])
const GROUP_VERSION = /^\/(api\/[^/]+|apis\/[^/]+\/[^/]+)\//

/** @returns documents by key, such as `apis/apps/v1`: the key of `/openapi/v3`. */
export function convertV2ToV3(document: Json): Map<string, Json> {
  const byKey = new Map<string, Json>()
  for (const [path, item] of Object.entries(objectOf(document['paths']))) {
    const key = GROUP_VERSION.exec(path)?.[1]
    if (key === undefined) continue
    const paths = byKey.get(key) ?? {}
    paths[path] = convertPathItem(objectOf(item), objectOf(document['parameters']))
    byKey.set(key, paths)
  }
  const converted = new Map<string, Json>()
  for (const [key, paths] of byKey) converted.set(key, documentOf(document, paths))
  return converted
}

function documentOf(document: Json, paths: Json): Json {
  const definitions = objectOf(document['definitions'])
  const names = reachable([paths], definitions, V2_PREFIX)
  const schemas = Object.fromEntries(Object.entries(definitions).filter(([name]) => names.has(name)))
  const rename = (reference: string): string =>
    reference.startsWith(V2_PREFIX) ? V3_PREFIX + reference.slice(V2_PREFIX.length) : reference
  return rewriteReferences({ openapi: '3.0.0', info: document['info'], paths, components: { schemas } }, rename)
}

function convertPathItem(item: Json, shared: Json): Json {
  const result: Json = {}
  for (const [key, value] of Object.entries(item)) {
    if (METHODS.has(key)) result[key] = convertOperation(objectOf(value), shared)
    else result[key] = key === 'parameters' ? parametersOf(value, shared).map(convertParameter) : value
  }
  return result
}

function convertOperation(operation: Json, shared: Json): Json {
  const { consumes, produces, schemes: _schemes, parameters, responses, ...rest } = operation
  const all = parametersOf(parameters, shared)
  const body = all.find((p) => p['in'] === 'body')
  const others = all.filter((p) => p['in'] !== 'body').map(convertParameter)
  return {
    ...rest,
    ...(others.length > 0 ? { parameters: others } : {}),
    ...(body ? { requestBody: requestBodyOf(body, textsOf(consumes)) } : {}),
    responses: Object.fromEntries(
      Object.entries(objectOf(responses)).map(([code, r]) => [code, convertResponse(objectOf(r), textsOf(produces))]),
    ),
  }
}

function requestBodyOf(body: Json, consumes: readonly string[]): Json {
  const { name: _name, in: _in, schema, ...rest } = body
  return { ...rest, content: contentOf(consumes, schema) }
}

function convertResponse(response: Json, produces: readonly string[]): Json {
  const { schema, examples: _examples, ...rest } = response
  return schema === undefined ? rest : { ...rest, content: contentOf(produces, schema) }
}

function convertParameter(parameter: Json): Json {
  const result: Json = {}
  const schema: Json = {}
  for (const [key, value] of Object.entries(parameter)) (SCHEMA_KEYS.has(key) ? schema : result)[key] = value
  return { ...result, schema }
}

/** Parameters with references to shared ones resolved. */
function parametersOf(value: unknown, shared: Json): Json[] {
  const list = Array.isArray(value) ? value.map(objectOf) : []
  return list.map((p) => {
    const reference = p['$ref']
    return typeof reference === 'string' ? objectOf(shared[reference.slice('#/parameters/'.length)]) : p
  })
}

function contentOf(types: readonly string[], schema: unknown): Json {
  return Object.fromEntries((types.length > 0 ? types : ['*/*']).map((type) => [type, { schema }]))
}
function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((v) => typeof v === 'string') : []
}
function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {}
}

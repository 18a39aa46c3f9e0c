/**
 * OpenAPI documents of version 3 for what stands above the group versions: `/api`, `/apis`, `/apis/<group>` and `/version`.
 * Pure. Their operations are those of kube-apiserver; the words are our own.
 */
import { metaType } from '../../api/schema/meta-types.ts'
import type { DocumentInfo } from './described-api.ts'
import { groupVersionWords } from './operations.ts'
import { type Json, SchemaBuilder, V3 } from './schemas.ts'

const MEDIA_TYPES = ['application/json', 'application/vnd.kubernetes.protobuf', 'application/yaml']
const VERSION_MODEL = 'io.k8s.apimachinery.pkg.version.Info'
const VERSION_REQUIRED = [
  'major',
  'minor',
  'gitVersion',
  'gitCommit',
  'gitTreeState',
  'buildDate',
  'goVersion',
  'compiler',
  'platform',
]
const VERSION_OPTIONAL = ['emulationMajor', 'emulationMinor', 'minCompatibilityMajor', 'minCompatibilityMinor']

/** The keys of the index, for groups that are served here. @param groups '' for the core group. */
export function rootKeys(groups: Iterable<string>): string[] {
  return ['api', 'apis', 'version', ...[...new Set(groups)].filter((g) => g !== '').map((g) => `apis/${g}`)]
}

/** @param key of rootKeys(). */
export function buildRootDocument(key: string, info: DocumentInfo): Json {
  if (key === 'version') return versionDocument(info)
  const group = key.startsWith('apis/') ? key.slice('apis/'.length) : undefined
  if (group !== undefined) {
    const words = groupVersionWords({ group, version: '' })
    return discoveryDocument('APIGroup', info, {
      path: `/apis/${group}/`,
      tag: `${words.slice(0, 1).toLowerCase()}${words.slice(1)}`,
      description: 'get information of a group',
      operationId: `get${words}APIGroup`,
    })
  }
  return key === 'api'
    ? discoveryDocument('APIVersions', info, {
        path: '/api/',
        tag: 'core',
        description: 'get available API versions',
        operationId: 'getCoreAPIVersions',
      })
    : discoveryDocument('APIGroupList', info, {
        path: '/apis/',
        tag: 'apis',
        description: 'get available API versions',
        operationId: 'getAPIVersions',
      })
}

interface Get {
  readonly path: string
  readonly tag: string
  readonly description: string
  readonly operationId: string
}

function discoveryDocument(kind: string, info: DocumentInfo, get: Get): Json {
  const type = metaType(kind)
  const builder = new SchemaBuilder(
    V3,
    new Map(
      // A list of groups holds the groups with their kind.
      ['APIVersions', 'APIGroupList', 'APIGroup'].map((k) => [
        metaType(k).model,
        [{ group: '', version: 'v1', kind: k }],
      ]),
    ),
  )
  const schema = builder.reference(type)
  const content = Object.fromEntries(MEDIA_TYPES.map((media) => [media, { schema }]))
  return document(info, get, { content, schemas: builder.schemas() })
}

function versionDocument(info: DocumentInfo): Json {
  const text = { type: 'string', default: '' }
  const properties = Object.fromEntries([
    ...VERSION_REQUIRED.map((name) => [name, text]),
    ...VERSION_OPTIONAL.map((name) => [name, { type: 'string' }]),
  ]) as Json
  const get = {
    path: '/version/',
    tag: 'version',
    description: 'get the version information for this server',
    operationId: 'getCodeVersion',
  }
  return document(info, get, {
    content: { 'application/json': { schema: { $ref: V3.prefix + VERSION_MODEL } } },
    schemas: { [VERSION_MODEL]: { type: 'object', required: VERSION_REQUIRED, properties } },
  })
}

function document(info: DocumentInfo, get: Get, o: { readonly content: Json; readonly schemas: Json }): Json {
  const { path, tag, description, operationId } = get
  const responses = { 200: { description: 'OK', content: o.content }, 401: { description: 'Unauthorized' } }
  return {
    openapi: '3.0.0',
    info,
    paths: { [path]: { get: { tags: [tag], description, operationId, responses } } },
    components: { schemas: o.schemas },
  }
}

/** Widgets: a kind from schemas, published while the server runs, in two versions that an asynchronous converter tells apart. */
import { setImmediate } from 'node:timers/promises'
import { AdmissionChain } from '../../src/access/admission/admission.ts'
import type { Converter } from '../../src/api/kinds/kind.ts'
import type { KindVersion } from '../../src/api/kinds/kind-version.ts'
import type { KubeObject } from '../../src/api/meta.ts'
import { StatusError } from '../../src/api/status-error.ts'
import type { SharedParts } from '../../src/app/run/wire.ts'
import type { Strategy } from '../../src/registry/strategy.ts'
import { ResourceServer } from '../../src/servers/generic/resource-server.ts'
import type { PublishedGroupVersion, StoredResource } from '../../src/servers/generic/served-resource.ts'
import { type Schema, schemaKind, typeErrors } from './schema-kind.ts'

export const GROUP = 'shop.example.com'
const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const FIELDS = ['metadata.name', 'metadata.namespace']

const text: Schema = { type: 'string' }
const common = {
  color: { type: 'string', default: 'red' },
  tags: { type: 'array', items: text, 'x-kubernetes-list-type': 'set' },
  parts: {
    type: 'array',
    items: { type: 'object', properties: { name: text, count: { type: 'integer' } } },
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['name'],
  },
} satisfies Record<string, Schema>
const status: Schema = { type: 'object', properties: { ready: { type: 'boolean' } } }
const size: Schema = { type: 'integer' }
const SCHEMAS = {
  v1: { type: 'object', properties: { spec: { type: 'object', properties: { size, ...common } }, status } },
  v2: {
    type: 'object',
    properties: {
      spec: { type: 'object', properties: { dimensions: { type: 'object', properties: { size } }, ...common } },
      status,
    },
  },
} satisfies Record<string, Schema>
type Version = keyof typeof SCHEMAS

interface Widget extends KubeObject {
  readonly spec?: { readonly size?: number; readonly dimensions?: { readonly size?: number } }
}

/** Takes a turn of the event loop for each batch, and counts them; fails while it is down. */
export class SlowConverter implements Converter {
  isDown = false
  /** Sizes of the batches. */
  readonly batches: number[] = []

  async convert(objects: readonly KubeObject[], to: KindVersion): Promise<readonly KubeObject[]> {
    await setImmediate()
    if (this.isDown) throw new StatusError(500, 'InternalError', 'the converter is down')
    this.batches.push(objects.length)
    return objects.map((object) => ({ ...converted(object), apiVersion: to.apiVersion }))
  }
}
function converted({ spec = {}, ...rest }: Widget): KubeObject {
  const { size: own, dimensions, ...kept } = spec
  const other = dimensions ? { size: dimensions.size } : own === undefined ? {} : { dimensions: { size: own } }
  return { ...rest, spec: { ...other, ...kept } } as KubeObject
}

export class Widgets {
  readonly converter = new SlowConverter()
  #server: ResourceServer | undefined

  /** For StartServer.servers. */
  readonly server = (shared: SharedParts): readonly ResourceServer[] => {
    const { deleteOptions } = shared.tables
    this.#server = new ResourceServer({ ...shared, name: 'widgets', deleteOptions, admission: new AdmissionChain([]) })
    return [this.#server]
  }
  async publish(): Promise<void> {
    const kinds = new Map(
      Object.entries(SCHEMAS).map(([version, schema]) => [version, widgetKind(version as Version, schema)]),
    )
    const versions = new Map([...kinds.values()].map((form) => [form.apiVersion, form]))
    const converted = { converter: this.converter, stored: kinds.get('v1')!, versions }
    const groups = [...kinds].map(
      ([version, form], i): PublishedGroupVersion => ({
        group: GROUP,
        version,
        groupPriority: 1000,
        versionPriority: 10 + i,
        resources: [widgetResource(form, SCHEMAS[version as Version], converted)],
      }),
    )
    await this.#server!.publish(groups)
  }
  async unpublish(): Promise<void> {
    await this.#server!.publish([])
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]()
  }
}

function widgetKind(version: Version, schema: Schema): KindVersion {
  return schemaKind({ group: GROUP, version, kind: 'Widget' }, schema)
}

function widgetResource(
  form: KindVersion,
  schema: Schema,
  converted: StoredResource['store']['converted'] & object,
): StoredResource {
  const strategy: Strategy = {
    allowCreateOnUpdate: false,
    allowUnconditionalUpdate: false,
    resetFields: ['status'],
    prepare: (_w, object, old) => {
      const { status: kept } = (old ?? {}) as { status?: object }
      const target = object as { status?: object }
      if (kept === undefined) delete target.status
      else target.status = kept
    },
    validate: (_w, object) => {
      const { kind: _k, apiVersion: _a, metadata: _m, ...own } = object
      return typeErrors(schema, own, '')
    },
  }
  return {
    is: 'stored',
    names: { resource: 'widgets', singular: 'widget', shortNames: ['wd'] },
    namespaced: true,
    verbs: VERBS,
    form,
    store: {
      prefix: `/registry/${GROUP}/widgets`,
      form,
      converted,
      storedAs: 'json',
      resource: { group: GROUP, resource: 'widgets' },
      selectableFields: FIELDS,
      fieldOf: undefined,
    },
    conversion: undefined,
    selectableFields: FIELDS,
    storedLabel: undefined,
    strategy,
    columns: [
      { name: 'Name', type: 'string', format: 'name', priority: 0, description: 'Name.', cell: '.metadata.name' },
      { name: 'Color', type: 'string', format: '', priority: 0, description: 'Color.', cell: '.spec.color' },
    ],
    storageVersionHash: undefined,
    ttlSeconds: undefined,
    coreFinalizers: false,
    subresources: [
      {
        is: 'view',
        name: 'status',
        verbs: ['get', 'patch', 'update'],
        strategy: {
          ...strategy,
          resetFields: ['spec'],
          prepare: (_w, object, old) => void Object.assign(object, { spec: (old as Widget).spec }),
        },
      },
    ],
  }
}

/** Types of the tables as OpenAPI schemas, for both versions of the document. */
import { metaType } from '../../api/schema/meta-types.ts'
import type { JsonSchema, SchemaSource } from '../../api/schema/schema-source.ts'
import type { Field, FieldType, ObjectType } from '../../api/schema/type-table.ts'

export type Json = Record<string, unknown>

/** How the two versions differ. */
export interface SchemaDialect {
  readonly version: 2 | 3
  readonly prefix: '#/definitions/' | '#/components/schemas/'
}
export const V2: SchemaDialect = { version: 2, prefix: '#/definitions/' }
export const V3: SchemaDialect = { version: 3, prefix: '#/components/schemas/' }

export interface SchemaKind {
  readonly group: string
  readonly version: string
  readonly kind: string
}

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'
const RAW_EXTENSION = 'io.k8s.apimachinery.pkg.runtime.RawExtension'
const TYPE_META: Json = {
  apiVersion: {
    type: 'string',
    description: 'Version of the schema of this object. Unrecognized values are refused.',
  },
  kind: { type: 'string', description: 'Name of the resource that this object represents, in CamelCase.' },
}

/** Collects schemas by model name, following references. */
export class SchemaBuilder {
  readonly #dialect: SchemaDialect
  readonly #schemas = new Map<string, Json>()
  readonly #kinds: ReadonlyMap<string, readonly SchemaKind[]>

  /** @param kinds model name -> what it is the schema of; those models get kind and apiVersion. */
  constructor(dialect: SchemaDialect, kinds: ReadonlyMap<string, readonly SchemaKind[]>) {
    this.#dialect = dialect
    this.#kinds = kinds
  }

  /** Sorted by model name. */
  schemas(): Json {
    return Object.fromEntries([...this.#schemas].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  /** Adds the type and what it refers to. @returns a reference to it. */
  reference(type: SchemaSource): Json {
    if ('json' in type) this.#addJson(type)
    else this.#addObject(type)
    return this.#ref(type.model)
  }

  /** Adds the list of a kind. */
  listReference(type: SchemaSource, kind: SchemaKind, listMeta: ObjectType): Json {
    const model = `${type.model}List`
    if (!this.#schemas.has(model)) {
      this.#schemas.set(model, {
        description: `${kind.kind}List is a list of ${kind.kind} objects.`,
        type: 'object',
        required: ['items'],
        properties: {
          ...TYPE_META,
          items: { type: 'array', items: this.#embedded(type), description: 'The objects.' },
          metadata: this.#embedded(listMeta),
        },
        'x-kubernetes-group-version-kind': [{ ...kind, kind: `${kind.kind}List` }],
      })
    }
    return this.#ref(model)
  }

  #ref(model: string): Json {
    return { $ref: this.#dialect.prefix + model }
  }

  #addObject(type: ObjectType): void {
    if (this.#schemas.has(type.model)) return
    const schema: Json = {}
    this.#schemas.set(type.model, schema)
    const kinds = this.#kinds.get(type.model)
    const properties: Json = kinds ? { ...TYPE_META } : {}
    for (const field of type.fields) properties[field.name] = this.#property(type, field)
    const required = type.fields.filter((f) => f.required).map((f) => f.name)
    Object.assign(schema, {
      ...(kinds ? { description: `${type.name} of the Kubernetes API.` } : {}),
      type: 'object',
      ...(required.length > 0 ? { required } : {}),
      ...(Object.keys(properties).length > 0 ? { properties } : {}),
      ...(kinds && kinds.length > 0 ? { 'x-kubernetes-group-version-kind': kinds } : {}),
      ...(type.mapType === 'atomic' ? { 'x-kubernetes-map-type': 'atomic' } : {}),
    })
  }

  #addJson(type: JsonSchema): void {
    if (this.#schemas.has(type.model)) return
    const schema: Json = {}
    this.#schemas.set(type.model, schema)
    const own = type.json(this.#dialect.version)
    Object.assign(schema, {
      ...own,
      properties: { ...TYPE_META, metadata: this.#embedded(metaType('ObjectMeta')), ...(own['properties'] as Json) },
      'x-kubernetes-group-version-kind': this.#kinds.get(type.model) ?? [],
    })
  }

  #property(owner: ObjectType, field: Field): Json {
    const schema = this.#typed(field.type, rawModelOf(owner))
    return { ...schema, ...this.#defaultOf(field), ...extensionsOf(field) }
  }

  #defaultOf(field: Field): Json {
    return this.#dialect.version === 3 && field.default !== undefined ? { default: field.default } : {}
  }

  /** @param rawModel what JSON of any form is called. */
  #typed(type: FieldType, rawModel: string): Json {
    switch (type.kind) {
      case 'object':
        return this.#embedded(type.type)
      case 'list':
        return { type: 'array', items: this.#typed(type.item, rawModel) }
      case 'map':
        return { type: 'object', additionalProperties: this.#typed(type.value, rawModel) }
      case 'union':
        this.reference(type.type)
        return this.#special(`${type.type.model}Or${type.or}`)
      case 'raw':
        return this.#special(rawModel)
      default:
        return this.#scalar(type.kind)
    }
  }

  /** Version 3 wraps references, so that defaults and descriptions may stand beside them. */
  #embedded(type: SchemaSource): Json {
    const reference = this.reference(type)
    return this.#dialect.version === 3 ? { allOf: [reference], default: {} } : reference
  }

  #scalar(kind: Exclude<FieldType['kind'], 'object' | 'list' | 'map' | 'union' | 'raw'>): Json {
    switch (kind) {
      case 'string':
        return { type: 'string' }
      case 'bool':
        return { type: 'boolean' }
      case 'int32':
      case 'int64':
        return { type: 'integer', format: kind }
      case 'double':
        return { type: 'number', format: 'double' }
      case 'bytes':
        return { type: 'string', format: 'byte' }
      case 'time':
        return this.#special(`${META}.Time`)
      case 'microtime':
        return this.#special(`${META}.MicroTime`)
      case 'quantity':
        return this.#special('io.k8s.apimachinery.pkg.api.resource.Quantity')
      case 'intOrString':
        return this.#special('io.k8s.apimachinery.pkg.util.intstr.IntOrString')
    }
  }

  #special(model: string): Json {
    if (!this.#schemas.has(model))
      this.#schemas.set(model, this.#specialSchema(model.slice(model.lastIndexOf('.') + 1)))
    return this.#ref(model)
  }

  #specialSchema(name: string): Json {
    const v3 = this.#dialect.version === 3
    if (name === 'Time' || name === 'MicroTime') return { type: 'string', format: 'date-time' }
    if (name === 'Quantity') return v3 ? { oneOf: [{ type: 'string' }, { type: 'number' }] } : { type: 'string' }
    if (name === 'IntOrString')
      return v3
        ? { oneOf: [{ type: 'integer' }, { type: 'string' }], format: 'int-or-string' }
        : { type: 'string', format: 'int-or-string' }
    // JSON of any form, and schemas that may be something else.
    if (name === 'JSON' || name.startsWith('JSONSchemaPropsOr')) return {}
    return { type: 'object' }
  }
}

function rawModelOf(owner: ObjectType): string {
  if (owner.name === 'WatchEvent') return RAW_EXTENSION
  const apiextensions = owner.model.indexOf('.apiextensions.v1.')
  return apiextensions === -1 ? `${META}.FieldsV1` : `${owner.model.slice(0, apiextensions)}.apiextensions.v1.JSON`
}

function extensionsOf(field: Field): Json {
  const { listType, listMapKeys, mapType, patchStrategy, patchMergeKey } = field
  return {
    ...(listMapKeys.length > 0 ? { 'x-kubernetes-list-map-keys': listMapKeys } : {}),
    ...(listType === undefined ? {} : { 'x-kubernetes-list-type': listType }),
    ...(mapType === undefined ? {} : { 'x-kubernetes-map-type': mapType }),
    ...(patchMergeKey === undefined ? {} : { 'x-kubernetes-patch-merge-key': patchMergeKey }),
    ...(patchStrategy.length === 0 ? {} : { 'x-kubernetes-patch-strategy': patchStrategy.join(',') }),
  }
}

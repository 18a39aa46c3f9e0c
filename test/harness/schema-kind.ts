/** Makes the form of a kind from a JSON schema at run time, as a server of custom resources does: as much as tests need. */
import { DecodeError, type DecodedBody, decodeUntyped, type Encoding } from '../../src/api/codec/codec.ts'
import { unhandled } from '../../src/api/codec/decode-error.ts'
import { decodeTyped, TypeMismatchError } from '../../src/api/codec/typed-decode.ts'
import { type FieldError, fieldError } from '../../src/api/field-error.ts'
import { isObject, type JsonObject } from '../../src/api/json-value.ts'
import type { FittedObject, GroupVersionKind, KindVersion } from '../../src/api/kinds/kind-version.ts'
import type { MapShape, MergeShape } from '../../src/api/kinds/merge-shape.ts'
import { TableShapes } from '../../src/api/kinds/table-shapes.ts'
import { formatGroupVersion } from '../../src/api/group-version.ts'
import type { KubeObject } from '../../src/api/meta.ts'
import { metaType } from '../../src/api/schema/meta-types.ts'

export interface Schema {
  readonly type: 'object' | 'array' | 'string' | 'integer' | 'boolean'
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: Schema
  readonly items?: Schema
  readonly default?: unknown
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
}

const METADATA = new TableShapes().kind(metaType('PartialObjectMetadata')) as MapShape
const ENCODINGS: readonly Encoding[] = ['json', 'yaml']
const JSON_TYPES: Readonly<Record<Schema['type'], (value: unknown) => boolean>> = {
  object: isObject,
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  integer: Number.isInteger,
  boolean: (value) => typeof value === 'boolean',
}

/** @param schema of the whole object; apiVersion, kind and metadata are not in it. */
export function schemaKind(gvk: GroupVersionKind, schema: Schema): KindVersion {
  const apiVersion = formatGroupVersion(gvk)
  const { kind } = gvk
  const fit = (value: object): FittedObject => {
    const { metadata = {}, apiVersion: own, kind: name, ...rest } = value as Partial<KubeObject>
    const problems: string[] = []
    const meta = decodeTyped(metaType('ObjectMeta'), metadata)
    const object = { ...typeOf(own, name), metadata: meta.object, ...(pruned(schema, rest, '', problems) as object) }
    return { object: object as KubeObject, problems: [...meta.problems, ...problems] }
  }
  const fitBody = (value: object, given: { apiVersion: string; kind: string }): FittedObject => {
    try {
      return fit(value)
    } catch (error) {
      if (!(error instanceof TypeMismatchError)) throw error
      throw unhandled(given.kind, gvk.version, kind, error.message)
    }
  }
  return {
    ...gvk,
    apiVersion,
    listKind: `${kind}List`,
    encodings: ENCODINGS,
    decode: function* (bytes, encoding, reading): Generator<void, DecodedBody> {
      const { value, problems } = decodeUntyped(bytes, encoding === 'yaml' ? 'yaml' : 'json', kind, reading)
      yield
      if (!isObject(value)) throw new DecodeError('the body is no object', 'no object')
      const body = value as object as Partial<KubeObject>
      const given = { apiVersion: body.apiVersion ?? apiVersion, kind: body.kind ?? kind }
      if (given.kind !== kind) throw unhandled(given.kind, given.apiVersion, kind, 'it is of another kind')
      const fitted = fitBody({ ...value, ...given }, given)
      return { ...given, object: fitted.object, problems: [...problems, ...fitted.problems] }
    },
    decodeStored: (bytes) => JSON.parse(Buffer.from(bytes).toString()) as KubeObject,
    fit,
    conform: (object) => object,
    fillDefaults: (object) => fillDefaults(schema, object),
    encodeMessage: () => {
      throw new Error(`${kind} has no protobuf form`)
    },
    merge: wholeShape(schema),
    strategicType: undefined,
    schema: {
      model: [...gvk.group.split('.').toReversed(), gvk.version, kind].join('.'),
      name: kind,
      json: () => schema as object as JsonObject,
    },
  }
}

function typeOf(apiVersion: string | undefined, kind: string | undefined): object {
  return { ...(kind === undefined ? {} : { kind }), ...(apiVersion === undefined ? {} : { apiVersion }) }
}

/** Where values have another type than the schema says. */
export function typeErrors(schema: Schema, value: unknown, path: string): FieldError[] {
  if (value === undefined) return []
  if (!JSON_TYPES[schema.type](value))
    return [fieldError.invalid(path, typeof value, `${path} in body must be of type ${schema.type}`)]
  if (Array.isArray(value)) return value.flatMap((item, i) => typeErrors(schema.items!, item, `${path}[${i}]`))
  if (!isObject(value)) return []
  return Object.entries(value).flatMap(([name, own]) => {
    const member = memberOf(schema, name)
    return member ? typeErrors(member, own, path === '' ? name : `${path}.${name}`) : []
  })
}

function memberOf(schema: Schema, name: string): Schema | undefined {
  const { properties = {}, additionalProperties } = schema
  return Object.hasOwn(properties, name) ? properties[name] : additionalProperties
}

function pruned(schema: Schema, value: unknown, path: string, problems: string[]): unknown {
  if (Array.isArray(value) && schema.items)
    return value.map((item, i) => pruned(schema.items!, item, `${path}[${i}]`, problems))
  if (!isObject(value) || schema.type !== 'object') return value
  const kept = Object.entries(value).flatMap(([name, own]) => {
    const at = path === '' ? name : `${path}.${name}`
    const member = memberOf(schema, name)
    if (member) return own === null ? [] : [[name, pruned(member, own, at, problems)]]
    problems.push(`unknown field ${JSON.stringify(at)}`)
    return []
  })
  return Object.fromEntries(kept) as unknown
}

function fillDefaults(schema: Schema, value: unknown): void {
  if (Array.isArray(value) && schema.items) for (const item of value) fillDefaults(schema.items, item)
  if (!isObject(value)) return
  for (const [name, member] of Object.entries(schema.properties ?? {})) {
    if (value[name] === undefined && member.default !== undefined) value[name] = structuredClone(member.default)
    if (value[name] !== undefined) fillDefaults(member, value[name])
  }
}

function wholeShape(schema: Schema): MergeShape {
  const own = shapeOf(schema) as MapShape
  return {
    ...own,
    member: (key) => own.member(key) ?? METADATA.member(key),
    isField: (key) => own.isField(key) || METADATA.isField(key),
  }
}
function shapeOf(schema: Schema): MergeShape {
  const { type, properties = {}, items, 'x-kubernetes-list-type': relation = 'atomic' } = schema
  if (type === 'array') {
    const keys = (schema['x-kubernetes-list-map-keys'] ?? []).toSorted().map((name) => ({ name, default: undefined }))
    return { kind: 'list', relation, item: shapeOf(items!), keys }
  }
  if (type !== 'object')
    return { kind: 'scalar', type: type === 'integer' ? 'numeric' : type === 'boolean' ? 'boolean' : 'string' }
  const shapes = new Map<Schema, MergeShape>()
  const member = (key: string): MergeShape | undefined => {
    const found = memberOf(schema, key)
    if (!found) return undefined
    const shape = shapes.get(found) ?? shapeOf(found)
    shapes.set(found, shape)
    return shape
  }
  return { kind: 'map', atomic: false, member, isField: (key) => Object.hasOwn(properties, key), present: new Map() }
}

/**
 * The tables that describe the types of the built-in kinds: fields in the order of the Go structs, how each
 * stands in JSON and in protobuf, and how lists and maps merge. Codec, patch, apply and OpenAPI all read them.
 *
 * Callers:  api/schema/meta-types.ts and servers/core/tables.ts compile the committed JSON files.
 * Not here: what the tables are used for.
 */
import { formatGroupVersion } from '../group-version.ts'

export type ScalarKind =
  | 'string'
  | 'bool'
  | 'int32'
  | 'int64'
  | 'double'
  | 'bytes'
  | 'time'
  | 'microtime'
  | 'quantity'
  | 'intOrString'
  | 'raw'

/** JSONSchemaPropsOrBool, JSONSchemaPropsOrArray, JSONSchemaPropsOrStringArray. */
export type UnionAlternative = 'Bool' | 'Array' | 'StringArray'

export type FieldType =
  | { readonly kind: ScalarKind }
  /** wrapped: in protobuf the list stands inside a message of its own (ExtraValue, Verbs). */
  | { readonly kind: 'list'; readonly item: FieldType; readonly wrapped: boolean }
  | { readonly kind: 'map'; readonly value: FieldType }
  | { readonly kind: 'object'; readonly type: ObjectType }
  /** An object, or what JSON schemas allow in its place. */
  | { readonly kind: 'union'; readonly type: ObjectType; readonly or: UnionAlternative }

export interface Field {
  readonly name: string
  readonly type: FieldType
  /** Field number in protobuf. */
  readonly number: number
  /** A pointer in Go: an empty value that was given is kept. */
  readonly pointer: boolean
  /** Written even when empty: no omitempty, or a plain struct. */
  readonly always: boolean
  readonly required: boolean
  readonly default: unknown
  readonly listType: 'atomic' | 'set' | 'map' | undefined
  readonly listMapKeys: readonly string[]
  readonly mapType: 'atomic' | 'granular' | undefined
  readonly patchStrategy: readonly string[]
  readonly patchMergeKey: string | undefined
  /** The name of a named Go type, where error texts show it. */
  readonly goType: string | undefined
  /** An embedded struct: in JSON its fields stand among those of its owner, in protobuf it is a message. */
  readonly inline: boolean
}

export interface ObjectType {
  /** `io.k8s.api.core.v1.ServiceSpec`: the name of the OpenAPI model. */
  readonly model: string
  /** `ServiceSpec`. */
  readonly name: string
  /** `v1.ServiceSpec`. */
  readonly goType: string
  /** As in JSON: those of embedded structs stand in their place. */
  readonly fields: readonly Field[]
  readonly byName: ReadonlyMap<string, Field>
  /** As in protobuf: an embedded struct is one field. */
  readonly byNumber: ReadonlyMap<number, Field>
  /** Highest number first: protobuf is written from its end. */
  readonly descending: readonly Field[]
  readonly mapType: 'atomic' | undefined
}

/** Where codecs look types up: by model name or by what a body says of itself. */
export interface TypeTable {
  byModel(model: string): ObjectType | undefined
  byKind(apiVersion: string, kind: string): ObjectType | undefined
}

interface FieldOptions {
  p?: 1
  a?: 1
  req?: 1
  def?: unknown
  list?: 'atomic' | 'set' | 'map'
  keys?: string[]
  map?: 'atomic' | 'granular'
  patch?: string
  merge?: string
  go?: string
  inline?: 1
}
type FieldRow = [string, string, number] | [string, string, number, FieldOptions]

/** The form of a committed table file. */
export interface TableFile {
  readonly source: string
  readonly package: string
  readonly model: string
  readonly go: string
  readonly group: string
  readonly version: string
  readonly types: Readonly<Record<string, { readonly map?: 'atomic'; readonly fields: readonly FieldRow[] }>>
}

const SCALARS: ReadonlySet<string> = new Set<ScalarKind>([
  'string',
  'bool',
  'int32',
  'int64',
  'double',
  'bytes',
  'time',
  'microtime',
  'quantity',
  'intOrString',
  'raw',
])

/** The types of one file. */
export class CompiledTypes {
  readonly source: string
  readonly apiVersion: string
  readonly #types = new Map<string, ObjectType>()
  readonly #byModel = new Map<string, ObjectType>()

  /** @param foreign finds `package.Type` of another file. @throws Error where a reference leads nowhere. */
  constructor(file: TableFile, foreign: (packageName: string, type: string) => ObjectType | undefined) {
    this.source = file.source
    this.apiVersion = formatGroupVersion(file)
    const shells = new Map<string, Shell>()
    for (const [name, { map }] of Object.entries(file.types)) {
      const shell = newShell(`${file.model}.${name}`, name, `${file.go}.${name}`, map)
      shells.set(name, shell)
      this.#types.set(name, shell)
      this.#byModel.set(shell.model, shell)
    }
    const resolve = (reference: string): ObjectType => {
      const dot = reference.indexOf('.')
      const found = dot === -1 ? shells.get(reference) : foreign(reference.slice(0, dot), reference.slice(dot + 1))
      if (!found) throw new Error(`table ${file.package}: type ${reference} is not known`)
      return found
    }
    const filled = new Set<string>()
    const fillNamed = (name: string): void => {
      if (filled.has(name)) return
      filled.add(name)
      const { fields } = file.types[name]!
      // An embedded struct lends its fields: it must have them before.
      for (const [, type, , options] of fields) if (options?.inline) fillNamed(type)
      fill(shells.get(name)!, fields, resolve)
    }
    for (const name of shells.keys()) fillNamed(name)
  }

  type(name: string): ObjectType | undefined {
    return this.#types.get(name)
  }
  byModel(model: string): ObjectType | undefined {
    return this.#byModel.get(model)
  }
  all(): Iterable<ObjectType> {
    return this.#types.values()
  }
}

/** An object type while its fields are still being added: types may refer to each other in cycles. */
interface Shell extends ObjectType {
  readonly fields: Field[]
  readonly byName: Map<string, Field>
  readonly byNumber: Map<number, Field>
  readonly descending: Field[]
}

function newShell(model: string, name: string, goType: string, mapType: 'atomic' | undefined): Shell {
  return { model, name, goType, fields: [], byName: new Map(), byNumber: new Map(), descending: [], mapType }
}

function fill(shell: Shell, rows: readonly FieldRow[], resolve: (reference: string) => ObjectType): void {
  for (const [name, type, number, options = {}] of rows) {
    const field = newField(name, parseType(type, resolve), number, options)
    const inJson = field.inline && field.type.kind === 'object' ? field.type.type.fields : [field]
    for (const f of inJson) {
      shell.fields.push(f)
      shell.byName.set(f.name, f)
    }
    shell.byNumber.set(number, field)
  }
  shell.descending.push(...[...shell.byNumber.values()].toSorted((a, b) => b.number - a.number))
}

function newField(name: string, type: FieldType, number: number, o: FieldOptions): Field {
  return {
    name,
    type,
    number,
    pointer: o.p === 1,
    always: o.a === 1,
    required: o.req === 1,
    default: o.def,
    listType: o.list,
    listMapKeys: o.keys ?? [],
    mapType: o.map,
    patchStrategy: o.patch === undefined ? [] : o.patch.split(','),
    patchMergeKey: o.merge,
    goType: o.go,
    inline: o.inline === 1,
  }
}

const UNION = /^(\w+) or (Bool|Array|StringArray)$/

/** `[]T`, `map[string]T`, `wrapped []T`, `T or Bool`, a scalar, or the name of a type. */
function parseType(text: string, resolve: (reference: string) => ObjectType): FieldType {
  if (text.startsWith('wrapped []')) return { kind: 'list', item: parseType(text.slice(10), resolve), wrapped: true }
  if (text.startsWith('[]')) return { kind: 'list', item: parseType(text.slice(2), resolve), wrapped: false }
  if (text.startsWith('map[string]')) return { kind: 'map', value: parseType(text.slice(11), resolve) }
  const union = UNION.exec(text)
  if (union) return { kind: 'union', type: resolve(union[1]!), or: union[2] as UnionAlternative }
  if (isScalar(text)) return { kind: text }
  return { kind: 'object', type: resolve(text) }
}

function isScalar(text: string): text is ScalarKind {
  return SCALARS.has(text)
}

/**
 * Bodies to objects and back, in the three encodings of the Kubernetes API. Built-in kinds are fitted into
 * their types; custom resources are read as they are (decodeUntyped).
 *
 * Callers:  endpoints/, servers/, http/write-status.ts, the client.
 * Not here: which encoding (http/negotiation.ts), limits on size, defaults.
 */
import type { KubeObject } from '../meta.ts'
import type { ObjectType, TypeTable } from '../schema/type-table.ts'
import { DecodeError, unhandled, unrecognized } from './decode-error.ts'
import type { Duplicate } from './json-exact-reader.ts'
import { decodeUtf8, type ParseOptions, parseJson } from './json-reader.ts'
import { JsonSyntaxError } from './json-syntax-error.ts'
import { decodeMessage } from './protobuf-decode.ts'
import { encodeMessage } from './protobuf-encode.ts'
import { unwrapProtobuf, wrapProtobuf } from './protobuf-envelope.ts'
import { FieldBudget, ProtobufError } from './protobuf-wire.ts'
import { decodeTyped, jsonTypeOf, TypeMismatchError } from './typed-decode.ts'
import type { YamlAsJson } from './yaml-json.ts'
import { parseYaml, YamlError } from './yaml-reader.ts'

export { DecodeError } from './decode-error.ts'
export { encodeJson } from './json-writer.ts'
export { conform } from './typed-decode.ts'
export { encodeYaml } from './yaml-writer.ts'

export type Encoding = 'json' | 'yaml' | 'protobuf'

export interface Expected {
  readonly apiVersion: string
  readonly kind: string
}
export interface Reading {
  /** The most members of objects and items of lists in the document. Absent: no limit. */
  readonly maxValues?: number
  /** What a thread made of a YAML document. Absent: the document is read here. */
  readonly yaml?: YamlAsJson
}
export interface DecodedBody {
  readonly apiVersion: string
  readonly kind: string
  readonly object: KubeObject
  /** Strict problems in the document's order: `unknown field "spec.foo"`, `duplicate field "spec.bar"`. */
  readonly problems: readonly string[]
}
export interface DecodedUntyped {
  readonly value: unknown
  readonly problems: readonly string[]
  readonly duplicates: ReadonlyMap<object, readonly Duplicate[]> | undefined
}

/**
 * Decodes an object of a kind that the tables know. A body without kind and apiVersion is taken for what is
 * expected; `null` is an empty object.
 *
 * @throws DecodeError
 */
export function decodeBody(
  bytes: Uint8Array,
  encoding: Encoding,
  types: TypeTable,
  expected: Expected & Reading,
): DecodedBody {
  const steps = decodeBodySteps(bytes, encoding, types, expected)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The same in steps, for bodies so large that all at once would hold up other requests. */
export function* decodeBodySteps(
  bytes: Uint8Array,
  encoding: Encoding,
  types: TypeTable,
  expected: Expected & Reading,
): Generator<void, DecodedBody> {
  return encoding === 'protobuf'
    ? decodeProtobufBody(bytes, types, expected)
    : yield* decodeTextBody(bytes, encoding, types, expected)
}

/** The text of a 400 for strict problems. @param version without the group. */
export function strictDecodingMessage(
  kind: string,
  version: string,
  expectedKind: string,
  problems: readonly string[],
): string {
  return unhandled(kind, version, expectedKind, `strict decoding error: ${problems.join(', ')}`).message
}

function* decodeTextBody(
  bytes: Uint8Array,
  encoding: 'json' | 'yaml',
  types: TypeTable,
  expected: Expected & Reading,
): Generator<void, DecodedBody> {
  const { value, problems, duplicates } = parseText(bytes, encoding, expected, true)
  yield
  const root = value ?? {}
  const meta = typeMetaOf(root, bytes, expected)
  const type = resolveType(types, meta, expected)
  try {
    const typed = decodeTyped(type, root as object, duplicates)
    return { ...meta, object: stamped(typed.object, meta), problems: [...problems, ...typed.problems] }
  } catch (error) {
    throw asDecodeError(error, (detail) => unhandled(meta.kind, versionOf(meta.apiVersion), expected.kind, detail))
  }
}

function decodeProtobufBody(bytes: Uint8Array, types: TypeTable, expected: Expected & Reading): DecodedBody {
  const { maxValues } = expected
  const budget = maxValues === undefined ? undefined : new FieldBudget(maxValues)
  try {
    const envelope = unwrapProtobuf(bytes)
    const meta = withDefaults(envelope.apiVersion, envelope.kind, expected)
    const type = resolveType(types, meta, expected)
    return {
      ...meta,
      object: asKubeObject(decodeMessage(type, envelope.raw, { ...kindFirst(meta) }, budget)),
      problems: [],
    }
  } catch (error) {
    throw asDecodeError(error, (detail) => unrecognized(expected.kind, detail, bytes))
  }
}

/**
 * Decodes a body as it stands: custom resources, patches, options. Duplicates of JSON are reported apart, for
 * callers that mix them with problems of their own.
 *
 * @param expectedKind appears in the error. @throws DecodeError
 */
export function decodeUntyped(
  bytes: Uint8Array,
  encoding: 'json' | 'yaml',
  expectedKind: string,
  reading: Reading = {},
): DecodedUntyped {
  return parseText(bytes, encoding, { kind: expectedKind, ...reading }, false)
}

function parseText(
  bytes: Uint8Array,
  encoding: 'json' | 'yaml',
  { kind, maxValues, yaml }: Pick<Expected, 'kind'> & Reading,
  wrapFloats: boolean,
): DecodedUntyped {
  const options = { floats: wrapFloats ? 'wrap' : 'number', ...(maxValues === undefined ? {} : { maxValues }) } as const
  try {
    if (yaml) return fromThread(yaml, options)
    const text = decodeUtf8(bytes)
    if (encoding === 'json') return { ...parseJson(text, options), problems: [] }
    const { value, problem } = parseYaml(text, wrapFloats)
    return { value, problems: problem === undefined ? [] : [problem], duplicates: undefined }
  } catch (error) {
    if (error instanceof JsonSyntaxError)
      throw unrecognized(kind, `couldn't get version/kind; json parse error: ${error.message}`, bytes)
    throw asDecodeError(error, (detail) => unrecognized(kind, detail, bytes))
  }
}

function fromThread(yaml: YamlAsJson, options: ParseOptions): DecodedUntyped {
  if ('failure' in yaml) throw new YamlError(yaml.failure)
  const { json, problem } = yaml
  return {
    value: parseJson(json, options).value,
    problems: problem === undefined ? [] : [problem],
    duplicates: undefined,
  }
}

/** Go looks for the two fields with a struct of its own; its form is part of the error text. */
const META_STRUCT = String.raw`struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }`

function typeMetaOf(root: unknown, bytes: Uint8Array, expected: Expected): Expected {
  const fail = (text: string): DecodeError =>
    unrecognized(expected.kind, `couldn't get version/kind; json parse error: json: cannot unmarshal ${text}`, bytes)
  if (typeof root !== 'object' || root === null || jsonTypeOf(root, false) !== 'object')
    throw fail(`${jsonTypeOf(root, false)} into Go value of type ${META_STRUCT}`)
  const { apiVersion = '', kind = '' } = root as { apiVersion?: unknown; kind?: unknown }
  const text = (name: string, value: unknown): string => {
    if (value === null || typeof value === 'string') return value ?? ''
    throw fail(`${jsonTypeOf(value, false)} into Go struct field .${name} of type string`)
  }
  return withDefaults(text('apiVersion', apiVersion), text('kind', kind), expected)
}

function withDefaults(apiVersion: string, kind: string, expected: Expected): Expected {
  return { apiVersion: apiVersion === '' ? expected.apiVersion : apiVersion, kind: kind === '' ? expected.kind : kind }
}

function resolveType(types: TypeTable, { apiVersion, kind }: Expected, expected: Expected): ObjectType {
  const fail = (detail: string): DecodeError => unhandled(kind, versionOf(apiVersion), expected.kind, detail)
  const wanted = types.byKind(expected.apiVersion, expected.kind)
  if (!wanted) throw new Error(`no table for ${expected.kind} in ${expected.apiVersion}`)
  const type = types.byKind(apiVersion, kind)
  if (!type)
    throw fail(
      `no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)} in scheme "pkg/runtime/scheme.go:111"`,
    )
  if (type !== wanted && !sameKindOfOtherVersion(kind, expected.kind))
    throw fail(`converting (${type.goType}) to (${packageOf(wanted)}.${wanted.name}): unknown conversion`)
  return type
}

/** The caller compares versions: their mismatch has a text of its own. */
function sameKindOfOtherVersion(kind: string, expectedKind: string): boolean {
  return kind === expectedKind
}

/** `core` of `io.k8s.api.core.v1.ConfigMap`. */
function packageOf(type: ObjectType): string {
  return type.model.split('.').at(-3) ?? ''
}

function versionOf(apiVersion: string): string {
  return apiVersion.slice(apiVersion.indexOf('/') + 1)
}

function kindFirst({ apiVersion, kind }: Expected): Expected {
  return { kind, apiVersion }
}

function stamped(object: Record<string, unknown>, meta: Expected): KubeObject {
  return asKubeObject({ ...kindFirst(meta), ...object, ...kindFirst(meta) })
}

/** Every kind of the tables that is a body of its own has metadata, or its caller knows better. */
function asKubeObject(object: Record<string, unknown>): KubeObject {
  return object as object as KubeObject
}

/** Errors of the decoders become DecodeErrors; anything else is a fault of ours and stays as it is. */
function asDecodeError(error: unknown, make: (detail: string) => DecodeError): unknown {
  const known =
    error instanceof TypeMismatchError ||
    error instanceof YamlError ||
    error instanceof ProtobufError ||
    isTimeError(error)
  if (known) return make((error as Error).message)
  // Readers stop at 10,000 levels; what walks the value calls itself per level and gives up somewhat earlier.
  return error instanceof RangeError ? make('exceeded max depth') : error
}

/** Times and raw JSON inside a message report plain errors. */
function isTimeError(error: unknown): boolean {
  return error instanceof JsonSyntaxError || (error instanceof Error && error.message.startsWith('parsing time '))
}

/** With the envelope. @param model the type's name in the tables. @throws Error where it is not known. */
export function encodeProtobuf(types: TypeTable, model: string, object: object): Uint8Array {
  const type = types.byModel(model)
  if (!type) throw new Error(`no table for ${model}`)
  const { apiVersion = '', kind = '' } = object as { apiVersion?: string; kind?: string }
  return wrapProtobuf({ apiVersion, kind, raw: encodeMessage(type, object) })
}

/** With the envelope. @returns undefined where the kind is not known. @throws ProtobufError */
export function decodeProtobuf(types: TypeTable, bytes: Uint8Array): KubeObject | undefined {
  const { apiVersion, kind, raw } = unwrapProtobuf(bytes)
  const type = types.byKind(apiVersion, kind)
  return type && asKubeObject(decodeMessage(type, raw, { kind, apiVersion }))
}

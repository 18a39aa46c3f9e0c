/**
 * OpenAPI documents in protobuf, as gnostic defines it: clients of Kubernetes read `/openapi/v2` in this form.
 * Driven by the message tables; what is not in a table is left out.
 */
import { readFileSync } from 'node:fs'
import { ProtobufWriter, WIRE } from '../../api/codec/protobuf-wire.ts'
import type { Json } from './schemas.ts'

export const OPENAPI_V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'
export const OPENAPI_V3_PROTOBUF = 'application/com.github.proto-openapi.spec.v3.v1.0+protobuf'

interface MessageField {
  readonly number: number
  readonly name: string
  /** The key in the document: `operationId`, `$ref`. */
  readonly key: string
  readonly type: string
  readonly repeated: boolean
}
interface Message {
  readonly name: string
  /** Highest number first: the writer works backwards. */
  readonly fields: readonly MessageField[]
  readonly oneof: boolean
}

/** Encodes documents of one version. Making one reads its table (about 20 KB). */
export class OpenApiProtobuf {
  readonly #messages = new Map<string, Message>()

  constructor(version: 2 | 3) {
    const url = new URL(`./tables/openapi-v${version}.json`, import.meta.url)
    const { messages } = JSON.parse(readFileSync(url, 'utf8')) as { messages: Record<string, string[]> }
    for (const [name, rows] of Object.entries(messages)) {
      const fields = rows.map(parseField).sort((a, b) => b.number - a.number)
      this.#messages.set(name, { name, fields, oneof: rows.every((r) => r.endsWith(' oneof')) })
    }
  }

  encode(document: Json): Uint8Array {
    const w = new ProtobufWriter()
    this.#write(w, 'Document', document)
    return w.finish()
  }

  #write(w: ProtobufWriter, name: string, value: unknown): void {
    if (name === 'Any') return writeText(w, 2, `${JSON.stringify(value)}\n`)
    const message = this.#messages.get(name)
    if (!message) throw new Error(`no OpenAPI message ${name}`)
    if (message.oneof) return this.#writeChoice(w, message, value)
    for (const field of message.fields) this.#writeField(w, field, valuesOf(message, field, value))
  }

  #writeChoice(w: ProtobufWriter, message: Message, value: unknown): void {
    // Field 1 of additional properties is the schema; its name differs between the versions.
    const chosen = choose(message.name, value, message.fields.at(-1)!.name)
    const field = message.fields.find((f) => f.name === chosen)
    if (field) this.#writeField(w, field, [value], true)
  }

  #writeField(w: ProtobufWriter, field: MessageField, values: readonly unknown[], keepEmpty = field.repeated): void {
    for (const value of values.toReversed()) {
      const before = w.length
      switch (field.type) {
        case 'string':
          if (value === '' && !keepEmpty) continue
          writeText(w, field.number, textOf(value))
          continue
        case 'bool':
        case 'int64':
          if (integerOf(value) === 0 && !keepEmpty) continue
          w.varint(integerOf(value))
          w.tag(field.number, WIRE.varint)
          continue
        case 'double':
          w.double(numberOf(value))
          w.tag(field.number, WIRE.fixed64)
          continue
        default:
          this.#write(w, field.type, value)
          w.lengthSince(before, field.number)
      }
    }
  }
}

function parseField(row: string): MessageField {
  const words = row.split(' ')
  const repeated = words[2] === 'repeated'
  const name = words[1]!
  const key = name === '_ref' ? '$ref' : name.replaceAll(/_(.)/g, (_, c: string) => c.toUpperCase())
  return { number: Number(words[0]), name, key, type: words[repeated ? 3 : 2]!, repeated }
}

/** The values of one field in a document's object, in order. Named entries come as {name, value}. */
function valuesOf(message: Message, field: MessageField, value: unknown): readonly unknown[] {
  if (message.name.startsWith('Named') || !field.type.startsWith('Named')) return plainValues(message, field, value)
  const entries = Object.entries((value ?? {}) as Json)
  const extension = ([key]: [string, unknown]): boolean => key.startsWith('x-')
  const kept = entries.filter((entry) => {
    if (field.name === 'vendor_extension' || field.name === 'specification_extension') return extension(entry)
    if (field.name === 'additional_properties') return true
    // Paths and response codes stand beside the extensions; `default` has a field of its own in version 3.
    return !extension(entry) && !message.fields.some((f) => f.key === entry[0])
  })
  return kept.map(([name, child]) => ({ name, value: child }))
}

function plainValues(message: Message, field: MessageField, value: unknown): readonly unknown[] {
  // A type, one or more items, a list of texts: the message holds what the document has without a key.
  if (['TypeItem', 'ItemsItem', 'StringArray'].includes(message.name)) return Array.isArray(value) ? value : [value]
  const child = (value as Json | null | undefined)?.[field.key]
  if (child === undefined || child === null) return []
  return field.repeated && Array.isArray(child) ? child : [child]
}

// Documents are foreign in part: a value of the wrong type may spoil its own field, but not the document it was merged into.
const textOf = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''))
const numberOf = (value: unknown): number => (typeof value === 'object' ? 0 : Number(value) || 0)
const integerOf = (value: unknown): number => {
  const n = Math.trunc(numberOf(value))
  return Number.isSafeInteger(n) ? n : 0
}

/** Which alternative of a oneof the value is. */
function choose(message: string, value: unknown, schemaChoice: string): string | undefined {
  const object = (typeof value === 'object' && value !== null ? value : {}) as Json
  switch (message) {
    case 'AdditionalPropertiesItem':
      return typeof value === 'boolean' ? 'boolean' : schemaChoice
    case 'ParametersItem':
      return '$ref' in object ? 'json_reference' : 'parameter'
    case 'ResponseValue':
      return '$ref' in object ? 'json_reference' : 'response'
    case 'Parameter':
      return object['in'] === 'body' ? 'body_parameter' : 'non_body_parameter'
    case 'NonBodyParameter':
      return `${object['in'] === 'formData' ? 'form_data' : textOf(object['in'])}_parameter_sub_schema`
    case 'SchemaItem':
      return object['type'] === 'file' ? 'file_schema' : 'schema'
    case 'SecurityDefinitionsItem':
      return securityOf(object)
    case 'DefaultType':
      return typeof value === 'object' ? undefined : typeof value
    case 'AnyOrExpression':
      return 'any'
    default:
      return '$ref' in object ? 'reference' : snakeCase(message.replace(/OrReference$/, ''))
  }
}

function securityOf(object: Json): string {
  if (object['type'] === 'basic') return 'basic_authentication_security'
  if (object['type'] === 'apiKey') return 'api_key_security'
  return `oauth2_${snakeCase(textOf(object['flow']))}_security`
}

function snakeCase(name: string): string {
  return name.replaceAll(/(?!^)([A-Z])/g, '_$1').toLowerCase()
}

function writeText(w: ProtobufWriter, number: number, text: string): void {
  const before = w.length
  w.string(text)
  w.lengthSince(before, number)
}

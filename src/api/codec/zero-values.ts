/** What Go holds and calls the types of the tables: the empty value as JSON shows it, and the type's name. */
import type { FieldType, ObjectType } from '../schema/type-table.ts'

/** A fresh value each time. */
export function zeroOf(type: FieldType): unknown {
  switch (type.kind) {
    case 'string':
    case 'bytes':
      return ''
    case 'bool':
      return false
    case 'int32':
    case 'int64':
    case 'double':
    case 'intOrString':
      return 0
    case 'quantity':
      return '0'
    case 'object':
      return zeroObject(type.type)
    default:
      return null
  }
}

function zeroObject(type: ObjectType): Record<string, unknown> {
  const zero: Record<string, unknown> = {}
  for (const field of type.fields) if (field.always) zero[field.name] = zeroOf(field.type)
  return zero
}

const SCALAR_NAMES: Readonly<Record<string, string>> = {
  double: 'float64',
  bytes: '[]uint8',
  time: 'v1.Time',
  microtime: 'v1.MicroTime',
  quantity: 'resource.Quantity',
  intOrString: 'intstr.IntOrString',
  raw: 'v1.FieldsV1',
}

/** @param named the name of the innermost type, where it has one of its own: v1.Protocol for a string. */
export function goTypeName(type: FieldType, named?: string): string {
  switch (type.kind) {
    case 'list':
      return `[]${goTypeName(type.item, named)}`
    case 'map':
      return `map[string]${goTypeName(type.value, named)}`
    case 'object':
      return type.type.goType
    case 'union':
      return `${type.type.goType}Or${type.or}`
    default:
      return named ?? SCALAR_NAMES[type.kind] ?? type.kind
  }
}

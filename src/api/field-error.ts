import { goQuote } from './go-format.ts'

/** One problem of one field of an object. The texts are apimachinery's (spec: Status, Invalid details). */
export type FieldErrorType =
  | 'NotFound'
  | 'Required'
  | 'Duplicate'
  | 'Invalid'
  | 'NotSupported'
  | 'Forbidden'
  | 'TooLong'
  | 'TooShort'
  | 'TooMany'
  | 'TooFew'
  | 'InternalError'
  | 'TypeInvalid'

export interface FieldError {
  readonly type: FieldErrorType
  readonly field: string
  readonly value?: unknown
  readonly detail: string
}

const TEXT: Record<FieldErrorType, { text: string; reason: string; valueShown: boolean }> = {
  NotFound: { text: 'Not found', reason: 'FieldValueNotFound', valueShown: true },
  Required: { text: 'Required value', reason: 'FieldValueRequired', valueShown: false },
  Duplicate: { text: 'Duplicate value', reason: 'FieldValueDuplicate', valueShown: true },
  Invalid: { text: 'Invalid value', reason: 'FieldValueInvalid', valueShown: true },
  NotSupported: { text: 'Unsupported value', reason: 'FieldValueNotSupported', valueShown: true },
  Forbidden: { text: 'Forbidden', reason: 'FieldValueForbidden', valueShown: false },
  TooLong: { text: 'Too long', reason: 'FieldValueTooLong', valueShown: false },
  TooShort: { text: 'Too short', reason: 'FieldValueTooShort', valueShown: false },
  TooMany: { text: 'Too many', reason: 'FieldValueTooMany', valueShown: true },
  TooFew: { text: 'Too few', reason: 'FieldValueTooFew', valueShown: true },
  InternalError: { text: 'Internal error', reason: 'InternalError', valueShown: false },
  TypeInvalid: { text: 'Invalid value', reason: 'FieldValueTypeInvalid', valueShown: true },
}

export const fieldError = {
  required: (field: string, detail = ''): FieldError => ({ type: 'Required', field, detail }),
  invalid: (field: string, value: unknown, detail: string): FieldError => ({ type: 'Invalid', field, value, detail }),
  duplicate: (field: string, value: unknown): FieldError => ({ type: 'Duplicate', field, value, detail: '' }),
  forbidden: (field: string, detail: string): FieldError => ({ type: 'Forbidden', field, detail }),
  notSupported: (field: string, value: unknown, supported: readonly string[]): FieldError => ({
    type: 'NotSupported',
    field,
    value,
    detail: supported.length === 0 ? '' : `supported values: ${supported.map(goQuote).join(', ')}`,
  }),
  tooLong: (field: string, maxBytes: number): FieldError => ({
    type: 'TooLong',
    field,
    detail: `may not be more than ${maxBytes} bytes`,
  }),
  tooMany: (field: string, value: number, max: number): FieldError => ({
    type: 'TooMany',
    field,
    value,
    detail: `must have at most ${max} items`,
  }),
}

export function fieldErrorReason(e: FieldError): string {
  return TEXT[e.type].reason
}

/** `Invalid value: "x": must be ...`: the message of a cause, without the field. */
export function fieldErrorBody(e: FieldError): string {
  const { text, valueShown } = TEXT[e.type]
  const value = valueShown && 'value' in e ? `: ${formatValue(e.value)}` : ''
  return `${text}${value}${e.detail === '' ? '' : `: ${e.detail}`}`
}

/** `spec.port: Invalid value: ...`. */
export function fieldErrorMessage(e: FieldError): string {
  return `${e.field}: ${fieldErrorBody(e)}`
}

function formatValue(value: unknown): string {
  if (value === null || value === undefined) return 'null'
  if (typeof value === 'string') return goQuote(cut(value))
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  return cut(JSON.stringify(value))
}

/** Characters of a value that an error shows. */
const MAX_SHOWN = 16 * 1024
/** A text that the client wrote, as an answer repeats it. */
export function cut(text: string): string {
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text
}

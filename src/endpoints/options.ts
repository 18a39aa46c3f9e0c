/** The options of writes: query parameters, checked with kube-apiserver's texts. */
import { type FieldError, cut, fieldError } from '../api/field-error.ts'
import { badRequest, invalid } from '../api/status-error.ts'

const MAX_MANAGER_BYTES = 128
const VALIDATIONS = ['', 'Ignore', 'Strict', 'Warn'] as const

export interface WriteOptions {
  readonly dryRun: boolean
  readonly fieldValidation: 'Ignore' | 'Strict' | 'Warn'
}

/** @param kind CreateOptions, UpdateOptions or PatchOptions: in the text of a 422. */
export function parseWriteOptions(query: URLSearchParams, kind: string): WriteOptions {
  const errors = [...managerErrors(query), ...dryRunErrors(query.getAll('dryRun'))]
  const validation = query.get('fieldValidation') ?? ''
  if (!VALIDATIONS.some((v) => v === validation))
    errors.push(fieldError.notSupported('fieldValidation', validation, VALIDATIONS))
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind }, '', errors)
  return {
    dryRun: query.getAll('dryRun').length > 0,
    fieldValidation: validation === '' ? 'Warn' : (validation as WriteOptions['fieldValidation']),
  }
}

export function dryRunErrors(values: readonly string[]): FieldError[] {
  return values.some((v) => v !== 'All') ? [fieldError.notSupported('dryRun', values, ['All'])] : []
}

function managerErrors(query: URLSearchParams): FieldError[] {
  const manager = query.get('fieldManager') ?? ''
  const errors: FieldError[] = []
  if (Buffer.byteLength(manager) > MAX_MANAGER_BYTES) errors.push(fieldError.tooLong('fieldManager', MAX_MANAGER_BYTES))
  const bad = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.exec(manager)
  if (bad)
    errors.push(
      fieldError.invalid(
        'fieldManager',
        manager,
        `should only contain printable characters, but contains ${JSON.stringify(bad[0])} (position ${bad.index})`,
      ),
    )
  return errors
}

/** @throws StatusError 400 in the words of the query conversion. */
export function intParameter(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  const problem = /^[+-]?\d+$/.test(text) ? (isInt64(text) ? undefined : 'value out of range') : 'invalid syntax'
  if (problem !== undefined) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(cut(text))}: ${problem}`)
  return Number(text)
}

/** The length of the longest literal, with its sign. Reading more digits takes time that grows with their square. */
const INT64_CHARACTERS = 20
function isInt64(text: string): boolean {
  const digits = text.replace(/^([+-]?)0+(?=\d)/, '$1')
  if (digits.length > INT64_CHARACTERS) return false
  const value = BigInt(digits.replace('+', ''))
  return BigInt.asIntN(64, value) === value
}

/** Absent: undefined; `false` and `0`: false; anything else, also empty: true. */
export function flagParameter(query: URLSearchParams, name: string): boolean | undefined {
  const value = query.get(name)
  return value === null ? undefined : value.toLowerCase() !== 'false' && value !== '0'
}

/** Checks that the validators of several kinds share. */
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import { dns1123Label, type NameValidator, portName, portNumber, qualifiedName } from '../../../api/names.ts'

export const PROTOCOLS: readonly string[] = ['SCTP', 'TCP', 'UDP']

/** The messages of a name validator, as errors of a field. */
export function nameErrors(value: string, path: string, rule: NameValidator): FieldError[] {
  return rule(value).map((message) => fieldError.invalid(path, value, message))
}

/** @param supported sorted, as the message lists them. */
export function oneOf(value: string | undefined, path: string, supported: readonly string[]): FieldError[] {
  if (value === undefined || value === '') return [fieldError.required(path)]
  return supported.includes(value) ? [] : [fieldError.notSupported(path, value, supported)]
}

export function portErrors(port: number | undefined, path: string): FieldError[] {
  return portNumber(port ?? 0).map((message) => fieldError.invalid(path, port ?? 0, message))
}
export function portOrNameErrors(port: number | string | undefined, path: string): FieldError[] {
  return typeof port === 'string' ? nameErrors(port, path, portName) : portErrors(port, path)
}

/** The name of one of several ports. */
export function portNameErrors(name: string | undefined, path: string, required: boolean): FieldError[] {
  if (name === undefined || name === '') return required ? [fieldError.required(path)] : []
  return nameErrors(name, path, dns1123Label)
}
export function appProtocolErrors(value: string | undefined, path: string): FieldError[] {
  return value === undefined ? [] : nameErrors(value, path, qualifiedName)
}

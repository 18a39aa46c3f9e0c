/** ConfigMaps and Secrets: keys, size, what a type of secret needs, immutability. Source: core validation of Kubernetes. */
import { isDeepStrictEqual } from 'node:util'
import { parseJson } from '../../../api/codec/json-reader.ts'
import { JsonSyntaxError } from '../../../api/codec/json-syntax-error.ts'
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import type { KubeObject } from '../../../api/meta.ts'
import { configMapKey } from '../../../api/names.ts'
import { validateImmutable } from '../../../api/validate-object-meta.ts'
import { nameErrors } from './field-checks.ts'

const MAX_BYTES = 1024 * 1024
const IMMUTABLE = 'field is immutable when `immutable` is set'

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>
  readonly binaryData?: Readonly<Record<string, string>>
  readonly immutable?: boolean
}
export interface Secret extends KubeObject {
  readonly data?: Readonly<Record<string, string>>
  readonly type?: string
  readonly immutable?: boolean
}

export function validateConfigMap(map: ConfigMap, old?: ConfigMap): FieldError[] {
  const errors = old ? frozenErrors(map, old, ['data', 'binaryData']) : []
  const { data = {}, binaryData = {} } = map
  let bytes = 0
  for (const [key, value] of Object.entries(data)) {
    errors.push(...nameErrors(key, `data[${key}]`, configMapKey))
    if (Object.hasOwn(binaryData, key))
      errors.push(fieldError.invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'))
    bytes += Buffer.byteLength(value)
  }
  for (const [key, value] of Object.entries(binaryData)) {
    errors.push(...nameErrors(key, `binaryData[${key}]`, configMapKey))
    bytes += Buffer.byteLength(value, 'base64')
  }
  // The path of the whole object prints as brackets in Go.
  if (bytes > MAX_BYTES) errors.push(fieldError.tooLong('[]', MAX_BYTES))
  return errors
}

export function validateSecret(secret: Secret, old?: Secret): FieldError[] {
  const errors = old
    ? [...validateImmutable(secret.type ?? '', old.type ?? '', 'type'), ...frozenErrors(secret, old, ['data'])]
    : []
  let bytes = 0
  for (const [key, value] of Object.entries(secret.data ?? {})) {
    errors.push(...nameErrors(key, `data[${key}]`, configMapKey))
    bytes += Buffer.byteLength(value, 'base64')
  }
  if (bytes > MAX_BYTES) errors.push(fieldError.tooLong('data', MAX_BYTES))
  return [...errors, ...typeErrors(secret)]
}

/** Once immutable, always immutable, and so is the content. */
function frozenErrors<T extends ConfigMap | Secret>(
  object: T,
  old: T,
  fields: readonly (keyof T & string)[],
): FieldError[] {
  if (old.immutable !== true) return []
  const changed = fields.filter((f) => !isDeepStrictEqual(object[f] ?? {}, old[f] ?? {}))
  const paths = [...(object.immutable === true ? [] : ['immutable']), ...changed]
  return paths.map((path) => fieldError.forbidden(path, IMMUTABLE))
}

function typeErrors(secret: Secret): FieldError[] {
  const data = secret.data ?? {}
  const missing = (key: string): FieldError[] => (Object.hasOwn(data, key) ? [] : [fieldError.required(`data[${key}]`)])
  switch (secret.type) {
    case 'kubernetes.io/service-account-token': {
      const name = secret.metadata.annotations?.['kubernetes.io/service-account.name'] ?? ''
      return name === '' ? [fieldError.required('metadata.annotations[kubernetes.io/service-account.name]')] : []
    }
    case 'kubernetes.io/dockercfg':
      return jsonKeyErrors(data, '.dockercfg')
    case 'kubernetes.io/dockerconfigjson':
      return jsonKeyErrors(data, '.dockerconfigjson')
    case 'kubernetes.io/basic-auth':
      return 'username' in data || 'password' in data ? [] : [...missing('username'), ...missing('password')]
    case 'kubernetes.io/ssh-auth':
      return (data['ssh-privatekey'] ?? '') === '' ? [fieldError.required('data[ssh-privatekey]')] : []
    case 'kubernetes.io/tls':
      return [...missing('tls.crt'), ...missing('tls.key')]
    default:
      return []
  }
}

function jsonKeyErrors(data: Readonly<Record<string, string>>, key: string): FieldError[] {
  const value = Object.hasOwn(data, key) ? data[key] : undefined
  if (value === undefined) return [fieldError.required(`data[${key}]`)]
  try {
    parseJson(Buffer.from(value, 'base64').toString('utf8'))
    return []
  } catch (error) {
    if (!(error instanceof JsonSyntaxError)) throw error
    return [fieldError.invalid(`data[${key}]`, '<secret contents redacted>', error.message)]
  }
}

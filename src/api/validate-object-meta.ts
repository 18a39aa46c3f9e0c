/**
 * What holds for the metadata of every object, on creation and on update. Source: apimachinery's
 * api/validation; order and texts are exact (maps are walked by key, where Go's order is random).
 */
import { isDeepStrictEqual } from 'node:util'
import { type FieldError, fieldError } from './field-error.ts'
import { goQuote } from './go-format.ts'
import { parseGroupVersion } from './group-version.ts'
import type { ObjectMeta, OwnerReference } from './meta.ts'
import { dns1123Label, labelValue, maskTrailingDash, type NameValidator, qualifiedName } from './names.ts'

const MAX_ANNOTATIONS_BYTES = 262144
const MAX_MANAGER_BYTES = 128
const MAX_SUBRESOURCE_BYTES = 256
/** Finalizers of core kinds that need no slash. */
const STANDARD_FINALIZERS = new Set(['kubernetes', 'orphan', 'foregroundDeletion'])

export interface ObjectMetaRules {
  readonly namespaced: boolean
  readonly name: NameValidator
  /** The kinds of kube-apiserver itself refuse finalizers without a slash, but for three. */
  readonly coreFinalizers?: boolean
  /** Where the metadata stands; `metadata` when absent. */
  readonly path?: string
}

export function validateObjectMeta(meta: ObjectMeta, rules: ObjectMetaRules): FieldError[] {
  const path = rules.path ?? 'metadata'
  return [
    ...validateName(meta, rules, path),
    ...validateNamespace(meta, rules, path),
    ...validateGeneration(meta, path),
    ...validateLabels(meta.labels, `${path}.labels`),
    ...validateAnnotations(meta.annotations, `${path}.annotations`),
    ...validateOwnerReferences(meta.ownerReferences, `${path}.ownerReferences`),
    ...validateFinalizers(meta.finalizers, `${path}.finalizers`),
    ...validateManagedFields(meta.managedFields, `${path}.managedFields`),
    ...(rules.coreFinalizers === true ? validateCoreFinalizers(meta.finalizers, `${path}.finalizers`) : []),
  ]
}

/**
 * @param meta as it is to be stored: what only the server sets has been carried over already.
 * The rules of validateObjectMeta that may change over time are checked again here.
 */
export function validateObjectMetaUpdate(meta: ObjectMeta, old: ObjectMeta, path = 'metadata'): FieldError[] {
  const errors: FieldError[] = []
  if (old.deletionTimestamp !== undefined)
    errors.push(...validateNoNewFinalizers(meta.finalizers, old.finalizers, `${path}.finalizers`))
  if ((meta.resourceVersion ?? '') === '')
    errors.push(
      fieldError.invalid(`${path}.resourceVersion`, meta.resourceVersion ?? '', 'must be specified for an update'),
    )
  if ((meta.generation ?? 0) < (old.generation ?? 0))
    errors.push(fieldError.invalid(`${path}.generation`, meta.generation ?? 0, 'must not be decremented'))
  for (const field of ['name', 'namespace', 'uid', 'creationTimestamp'] as const)
    errors.push(...validateImmutable(meta[field] ?? '', old[field] ?? '', `${path}.${field}`))
  for (const field of ['deletionTimestamp', 'deletionGracePeriodSeconds'] as const)
    errors.push(...validateImmutable(meta[field] ?? null, old[field] ?? null, `${path}.${field}`))
  return [
    ...errors,
    ...validateLabels(meta.labels, `${path}.labels`),
    ...validateAnnotations(meta.annotations, `${path}.annotations`),
    ...validateOwnerReferences(meta.ownerReferences, `${path}.ownerReferences`),
    ...validateManagedFields(meta.managedFields, `${path}.managedFields`),
  ]
}

/** The order of keys does not count. */
export function validateImmutable(value: unknown, old: unknown, path: string): FieldError[] {
  if (isDeepStrictEqual(value, old)) return []
  return [fieldError.invalid(path, value, 'field is immutable')]
}

function validateName(meta: ObjectMeta, rules: ObjectMetaRules, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { generateName = '', name = '' } = meta
  if (generateName !== '')
    for (const message of rules.name(maskTrailingDash(generateName)))
      errors.push(fieldError.invalid(`${path}.generateName`, generateName, message))
  if (name === '') errors.push(fieldError.required(`${path}.name`, 'name or generateName is required'))
  else for (const message of rules.name(name)) errors.push(fieldError.invalid(`${path}.name`, name, message))
  return errors
}

function validateNamespace(meta: ObjectMeta, rules: ObjectMetaRules, path: string): FieldError[] {
  const { namespace = '' } = meta
  if (!rules.namespaced)
    return namespace === '' ? [] : [fieldError.forbidden(`${path}.namespace`, 'not allowed on this type')]
  if (namespace === '') return [fieldError.required(`${path}.namespace`)]
  return dns1123Label(namespace).map((m) => fieldError.invalid(`${path}.namespace`, namespace, m))
}

function validateGeneration(meta: ObjectMeta, path: string): FieldError[] {
  const { generation = 0 } = meta
  return generation >= 0
    ? []
    : [fieldError.invalid(`${path}.generation`, generation, 'must be greater than or equal to 0')]
}

export function validateLabels(labels: Readonly<Record<string, string>> | undefined, path: string): FieldError[] {
  const errors: FieldError[] = []
  for (const [key, value] of sortedEntries(labels)) {
    for (const message of qualifiedName(key)) errors.push(fieldError.invalid(path, key, message))
    for (const message of labelValue(value)) errors.push(fieldError.invalid(path, value, message))
  }
  return errors
}

export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = []
  let bytes = 0
  for (const [key, value] of sortedEntries(annotations)) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
    // Upper case is allowed in a prefix here, unlike in label keys.
    for (const message of qualifiedName(key.toLowerCase())) errors.push(fieldError.invalid(path, key, message))
  }
  if (bytes > MAX_ANNOTATIONS_BYTES) errors.push(fieldError.tooLong(path, MAX_ANNOTATIONS_BYTES))
  return errors
}

function validateOwnerReferences(owners: readonly OwnerReference[] = [], path: string): FieldError[] {
  const errors: FieldError[] = []
  let controller: string | undefined
  for (const owner of owners) {
    errors.push(...validateOwnerReference(owner, path))
    if (owner.controller !== true) continue
    const name = `${owner.kind}/${owner.name}`
    if (controller === undefined) controller = name
    else
      errors.push(
        fieldError.invalid(
          path,
          owners,
          `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`,
        ),
      )
  }
  return errors
}

function validateOwnerReference(owner: OwnerReference, path: string): FieldError[] {
  const errors: FieldError[] = []
  const gv = parseGroupVersion(owner.apiVersion) ?? { group: '', version: '' }
  if (gv.version === '')
    errors.push(fieldError.invalid(`${path}.apiVersion`, owner.apiVersion, 'version must not be empty'))
  for (const field of ['kind', 'name', 'uid'] as const)
    if (owner[field] === '') errors.push(fieldError.invalid(`${path}.${field}`, '', 'must not be empty'))
  if (owner.kind === 'Event' && gv.version === 'v1' && gv.group === '')
    errors.push(fieldError.invalid(path, owner, '/v1, Kind=Event is disallowed from being an owner'))
  return errors
}

function validateFinalizers(finalizers: readonly string[] = [], path: string): FieldError[] {
  const errors = finalizers.flatMap((f) => qualifiedName(f).map((m) => fieldError.invalid(path, f, m)))
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion'))
    errors.push(fieldError.invalid(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'))
  return errors
}

function validateCoreFinalizers(finalizers: readonly string[] = [], path: string): FieldError[] {
  return finalizers.flatMap((f, i) => validateCoreFinalizer(f, `${path}[${i}]`))
}

/** Also for a namespace's spec.finalizers. */
export function validateCoreFinalizer(finalizer: string, path: string): FieldError[] {
  if (finalizer.includes('/') || STANDARD_FINALIZERS.has(finalizer)) return []
  const text = 'name is neither a standard finalizer name nor is it fully qualified'
  return [fieldError.invalid(path, finalizer, text)]
}

function validateNoNewFinalizers(
  now: readonly string[] = [],
  before: readonly string[] = [],
  path: string,
): FieldError[] {
  const added = [...new Set(now).difference(new Set(before))].sort()
  if (added.length === 0) return []
  const list = `[]string{${added.map(goQuote).join(', ')}}`
  const text = `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`
  return [fieldError.forbidden(path, text)]
}

function validateManagedFields(entries: readonly unknown[] = [], path: string): FieldError[] {
  return entries.flatMap((entry, i) => validateManagedFieldsEntry(entry as ManagedFieldsEntry, `${path}[${i}]`))
}

interface ManagedFieldsEntry {
  readonly manager?: string
  readonly operation?: string
  readonly fieldsType?: string
  readonly subresource?: string
}

function validateManagedFieldsEntry(entry: ManagedFieldsEntry, path: string): FieldError[] {
  const { operation = '', fieldsType = '', manager = '', subresource = '' } = entry
  const errors: FieldError[] = []
  if (operation !== 'Apply' && operation !== 'Update')
    errors.push(fieldError.invalid(`${path}.operation`, operation, 'must be `Apply` or `Update`'))
  if (fieldsType !== '' && fieldsType !== 'FieldsV1')
    errors.push(fieldError.invalid(`${path}.fieldsType`, fieldsType, 'must be `FieldsV1`'))
  errors.push(...validateFieldManager(manager, `${path}.manager`))
  if (Buffer.byteLength(subresource) > MAX_SUBRESOURCE_BYTES)
    errors.push(fieldError.tooLong(`${path}.subresource`, MAX_SUBRESOURCE_BYTES))
  return errors
}

/** Also for the fieldManager of a request's options. */
export function validateFieldManager(manager: string, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (Buffer.byteLength(manager) > MAX_MANAGER_BYTES) errors.push(fieldError.tooLong(path, MAX_MANAGER_BYTES))
  let position = 0
  for (const c of manager) {
    if (!PRINTABLE.test(c)) {
      const code = c.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')
      errors.push(fieldError.invalid(path, manager, `invalid character U+${code} (at position ${position})`))
    }
    position += Buffer.byteLength(c)
  }
  return errors
}
/** Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols and the ASCII space. */
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

function sortedEntries(map: Readonly<Record<string, string>> | undefined): [string, string][] {
  return map === undefined ? [] : Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1))
}

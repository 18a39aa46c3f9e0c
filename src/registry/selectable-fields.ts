import type { KubeObject } from '../api/meta.ts'
import type { Resource } from './resource.ts'

/** The fields of an object that field selectors may name; an absent field is the empty text. */
export function selectableFieldsOf(
  r: Pick<Resource, 'selectableFields' | 'fieldOf'>,
  object: KubeObject,
): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const label of r.selectableFields) fields[label] = r.fieldOf?.(label, object) ?? fieldAt(object, label)
  return fields
}

/** Every kind has the first two, and every object is asked for them. */
function fieldAt(object: KubeObject, label: string): string {
  if (label === 'metadata.name') return object.metadata.name ?? ''
  if (label === 'metadata.namespace') return object.metadata.namespace ?? ''
  return textAt(object, label)
}

function textAt(object: object, path: string): string {
  let current: unknown = object
  for (const key of path.split('.')) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return ''
    current = (current as Record<string, unknown>)[key]
  }
  return typeof current === 'string'
    ? current
    : typeof current === 'number' || typeof current === 'boolean'
      ? `${current}`
      : ''
}

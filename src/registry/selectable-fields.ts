import type { KubeObject } from '../api/meta.ts'
import type { Resource } from './resource.ts'

/** The fields of an object that field selectors may name; an absent field is the empty text. */
export function selectableFieldsOf(
  r: Pick<Resource, 'selectableFields' | 'fieldOf'>,
  object: KubeObject,
): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const label of r.selectableFields) fields[label] = r.fieldOf?.(label, object) ?? textAt(object, label)
  return fields
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

import type { KubeObject } from '../api/meta.ts'
import type { Predicate } from '../registry/watch-cache/cache-item.ts'
import { badRequest } from '../api/status-error.ts'
import type { ListOptions } from './list-options.ts'

/** @param name of the request, where the path or the field selector pins one. @returns undefined when everything matches. */
export function predicateOf(o: ListOptions, name: string): Predicate<KubeObject> | undefined {
  const { labels, fields } = o
  const pinned = fields?.exactValue('metadata.name')
  if (pinned !== undefined && name !== '' && pinned !== name)
    throw badRequest("fieldSelector metadata.name doesn't match requested name")
  if (!labels && !fields && name === '') return undefined
  return (item) =>
    (name === '' || item.fields['metadata.name'] === name) &&
    (labels?.matches(item.labels) ?? true) &&
    (fields?.matches(item.fields) ?? true)
}

/** DELETE of a collection: what the selectors find, object by object; what is gone already does not count. */
import { StatusError } from '../api/status-error.ts'
import type { KubeObject } from '../api/meta.ts'
import type { Handler } from '../http/filter.ts'
import type { RequestContext } from '../http/request-context.ts'
import { writeOf } from './create.ts'
import { type ParsedDeleteOptions, readDeleteOptions } from './delete-options.ts'
import { listForm, sendList } from './list.ts'
import { parseListOptions } from './list-options.ts'
import { predicateOf } from './predicate.ts'
import type { Scope } from './scope.ts'
import { WritePath } from './write-path.ts'

const WORKERS = 8

/** Nothing is deleted before it is known that what is deleted can be told in the form that the client asks for. */
export function deleteCollectionHandler(scope: Scope): Handler {
  return async (ctx) => {
    const form = listForm(ctx, scope, scope.forms.offers.object)
    const list = parseListOptions(ctx, scope.resource, false)
    const options = await readDeleteOptions(ctx, scope)
    const found = await scope.reader.list({
      namespace: ctx.info.namespace,
      matches: predicateOf(list, ''),
      resourceVersion: list.resourceVersion,
      resourceVersionMatch: list.resourceVersionMatch,
      limit: list.limit,
      continue: list.continue,
    })
    const objects = found.items.map((i) => i.object)
    await deleteAll(ctx, scope, objects, options)
    await sendList(ctx, scope, found, form)
  }
}

async function deleteAll(
  ctx: RequestContext,
  scope: Scope,
  objects: readonly KubeObject[],
  options: ParsedDeleteOptions,
): Promise<void> {
  const queue = objects.values()
  const worker = async (): Promise<void> => {
    for (const { metadata } of queue) {
      const write = { ...writeOf(ctx, scope, metadata.name!, options), namespace: metadata.namespace ?? '' }
      try {
        await scope.registry.delete(write, options, new WritePath(ctx, scope, write, options).deleteCollectionHooks)
      } catch (e) {
        if (!(e instanceof StatusError) || e.code !== 404) throw e
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(WORKERS, objects.length) }, worker))
}

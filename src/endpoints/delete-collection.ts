/** DELETE of a collection: what the selectors find, object by object; what is gone already does not count. */
import { StatusError } from '../api/status-error.ts'
import type { KubeObject } from '../api/meta.ts'
import type { Handler } from '../http/filter.ts'
import { negotiate } from '../http/negotiation.ts'
import type { RequestContext } from '../http/request-context.ts'
import { apiVersionOf } from '../registry/resource.ts'
import { writeOf } from './create.ts'
import { type ParsedDeleteOptions, readDeleteOptions } from './delete-options.ts'
import { parseListOptions } from './list-options.ts'
import { predicateOf } from './predicate.ts'
import type { Scope } from './scope.ts'
import { writeObject } from './write-object.ts'

const WORKERS = 8

export function deleteCollectionHandler(scope: Scope): Handler {
  const { resource, types, yaml } = scope
  return async (ctx) => {
    const form = negotiate(ctx)
    const list = parseListOptions(ctx, resource, false)
    const options = await readDeleteOptions(ctx, scope)
    const { items, revision } = await scope.reader.list({
      namespace: ctx.info.namespace,
      matches: predicateOf(list, ''),
      resourceVersion: list.resourceVersion,
      resourceVersionMatch: list.resourceVersionMatch,
      limit: list.limit,
      continue: list.continue,
    })
    await deleteAll(
      ctx,
      scope,
      items.map((i) => i.object),
      options,
    )
    const answer = {
      kind: `${resource.kind}List`,
      apiVersion: apiVersionOf(resource),
      metadata: { resourceVersion: String(revision) },
      items: items.map((i) => i.object),
    }
    await writeObject(ctx, 200, answer, form, { types, yaml, model: `${resource.type.model}List` })
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
        await scope.registry.delete(write, options, {
          admit: (o, old) => scope.admission(ctx, scope, 'delete', o, old),
        })
      } catch (e) {
        if (!(e instanceof StatusError) || e.code !== 404) throw e
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(WORKERS, objects.length) }, worker))
}

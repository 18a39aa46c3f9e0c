/** DELETE of one object. */
import type { Handler } from '../http/filter.ts'
import { negotiate } from '../http/negotiation.ts'
import { writeStatus } from '../http/write-status.ts'
import { answerObject } from './answer-object.ts'
import { writeOf } from './create.ts'
import { readDeleteOptions } from './delete-options.ts'
import { deletedStatus } from './deleted-status.ts'
import type { Scope } from './scope.ts'
import { WritePath } from './write-path.ts'

export function deleteHandler(scope: Scope): Handler {
  const { resource, registry, strategy } = scope
  return async (ctx) => {
    const form = negotiate(ctx, scope.forms.offers.object)
    const options = await readDeleteOptions(ctx, scope)
    const write = writeOf(ctx, scope, ctx.info.name, options)
    const path = new WritePath(ctx, scope, write, options)
    const { object, gone } = await registry.delete(write, options, path.deleteHooks)
    // 202 only for a caller that explicitly asked, in the old way, that dependents go too: clients know it so.
    const code = !gone && options.orphanDependents === false ? 202 : 200
    if (gone && strategy.returnsDeletedObject !== true) return writeStatus(ctx, code, deletedStatus(resource, object))
    return answerObject(ctx, scope, code, object, form)
  }
}

import type { Handler } from '../http/filter.ts'
import { MEDIA_TYPES, negotiate } from '../http/negotiation.ts'
import { badRequest } from '../api/status-error.ts'
import { typePrefix } from './object-forms.ts'
import type { Scope } from './scope.ts'
import { answerObject } from './answer-object.ts'
import { writeBytes } from './write-object.ts'

/** GET of one object: from the cache's bytes where the answer is plain JSON. */
export function getHandler(scope: Scope): Handler {
  const { forms } = scope
  const prefix = Buffer.from(typePrefix(forms.version))
  return async (ctx) => {
    const form = negotiate(ctx, forms.offers.object)
    if (ctx.query.has('export'))
      throw badRequest('the export parameter, deprecated since v1.14, is no longer supported')
    const item = await scope.reader.get(ctx.info.namespace, ctx.info.name, ctx.query.get('resourceVersion') ?? '')
    if (form.encoding === 'json' && !form.pretty && !form.as)
      return writeBytes(ctx, 200, forms.objectJson(item, prefix), MEDIA_TYPES.json)
    return answerObject(ctx, scope, 200, item.object, form)
  }
}

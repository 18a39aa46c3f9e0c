import type { KubeObject } from '../api/meta.ts'
import type { Negotiated } from '../http/negotiation.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { Scope } from './scope.ts'
import { parseIncludeObject, toTable } from './table.ts'
import { PARTIAL_MESSAGE, checkTransform, partialMetadata, transformVersion } from './transforms.ts'
import { writeObject } from './write-object.ts'

/** One object of the store as the client asked for it: itself, its metadata, or a table of one row. */
export function answerObject(
  ctx: RequestContext,
  scope: Scope,
  code: number,
  object: KubeObject,
  form: Negotiated,
): Promise<void> {
  const { forms, yaml } = scope
  const { kind, encodeMessage } = forms.version
  checkTransform(form.as, 'object', kind)
  if (form.as?.kind === 'PartialObjectMetadata') {
    return writeObject(ctx, code, partialMetadata(object, transformVersion(form.as)), form, {
      yaml,
      message: PARTIAL_MESSAGE,
    })
  }
  if (form.as?.kind === 'Table') {
    const { resourceVersion } = object.metadata
    const table = toTable([object], resourceVersion === undefined ? {} : { resourceVersion }, {
      columns: scope.columns,
      include: parseIncludeObject(ctx.query),
      apiVersion: transformVersion(form.as),
      typed: (o) => forms.typed(o),
      now: scope.clock.now(),
    })
    return writeObject(ctx, code, table, form, { yaml })
  }
  return writeObject(ctx, code, forms.typed(object), form, { yaml, message: encodeMessage })
}

import type { KubeObject } from '../api/meta.ts'
import type { Negotiated } from '../http/negotiation.ts'
import type { RequestContext } from '../http/request-context.ts'
import { apiVersionOf } from '../registry/resource.ts'
import type { Scope } from './scope.ts'
import { parseIncludeObject, toTable } from './table.ts'
import { PARTIAL_MODEL, checkTransform, partialMetadata, transformVersion } from './transforms.ts'
import { writeObject } from './write-object.ts'

/** One object as the client asked for it: itself, its metadata, or a table of one row. */
export function answerObject(
  ctx: RequestContext,
  scope: Scope,
  code: number,
  object: KubeObject,
  form: Negotiated,
): Promise<void> {
  const { resource, types, yaml } = scope
  checkTransform(form.as, 'object', resource.kind)
  if (form.as?.kind === 'PartialObjectMetadata') {
    return writeObject(ctx, code, partialMetadata(object, transformVersion(form.as)), form, {
      types,
      yaml,
      model: PARTIAL_MODEL,
    })
  }
  if (form.as?.kind === 'Table') {
    const { resourceVersion } = object.metadata
    const table = toTable([object], resourceVersion === undefined ? {} : { resourceVersion }, {
      columns: scope.columns,
      include: parseIncludeObject(ctx.query),
      apiVersion: transformVersion(form.as),
      kind: { kind: resource.kind, apiVersion: apiVersionOf(resource) },
      now: scope.clock.now(),
    })
    return writeObject(ctx, code, table, form, { types, yaml, model: '' })
  }
  return writeObject(ctx, code, object, form, { types, yaml, model: resource.type.model })
}

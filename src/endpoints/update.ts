import type { KubeObject } from '../api/meta.ts'
import { badRequest } from '../api/status-error.ts'
import type { Handler } from '../http/filter.ts'
import { negotiate } from '../http/negotiation.ts'
import { answerObject } from './answer-object.ts'
import { bodyEncoding } from './content-type.ts'
import { writeOf } from './create.ts'
import { decodeObject } from './decode-object.ts'
import { parseWriteOptions } from './options.ts'
import { readBody } from './read-body.ts'
import type { Scope } from './scope.ts'
import { WritePath } from './write-path.ts'

/** PUT of an object or of a subresource of it. */
export function updateHandler(scope: Scope): Handler {
  const { forms, registry, strategy } = scope
  return async (ctx) => {
    const form = negotiate(ctx, forms.offers.object)
    const body = await readBody(ctx)
    const options = parseWriteOptions(ctx.query, 'UpdateOptions')
    const given = await decodeObject(ctx, body, {
      encoding: bodyEncoding(ctx, forms.version.encodings),
      version: forms.version,
      yaml: scope.yaml,
      validation: options.fieldValidation,
    })
    matchUrl(scope, given, ctx.info.namespace, ctx.info.name)
    const write = writeOf(ctx, scope, ctx.info.name, { ...options, bodyBytes: body.byteLength })
    const path = new WritePath(ctx, scope, write, options)
    const { object, created } = await registry.update({
      write,
      strategy,
      transform: (live, pause) => path.made(structuredClone(given), live, pause),
      hooks: path.hooks,
    })
    await answerObject(ctx, scope, created ? 201 : 200, object, form)
  }
}

/** @throws StatusError 400 where the body names another object than the path. */
export function matchUrl(scope: Scope, object: KubeObject, namespace: string, name: string): void {
  const own = object.metadata.name ?? ''
  if (own === '')
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`)
  if (own !== name) throw badRequest(`the name of the object (${own}) does not match the name on the URL (${name})`)
  if (!scope.resource.namespaced) return
  const ownNamespace = object.metadata.namespace ?? ''
  if (ownNamespace === '') object.metadata.namespace = namespace
  else if (ownNamespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
}

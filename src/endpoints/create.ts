import { badRequest } from '../api/status-error.ts'
import type { KubeObject } from '../api/meta.ts'
import type { Handler } from '../http/filter.ts'
import { negotiate } from '../http/negotiation.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { Write } from '../registry/strategy.ts'
import { pausesOf } from '../lib/next-turn.ts'
import { answerObject } from './answer-object.ts'
import { bodyEncoding } from './content-type.ts'
import { decodeObject } from './decode-object.ts'
import { type WriteOptions, parseWriteOptions } from './options.ts'
import { readBody } from './read-body.ts'
import type { Scope } from './scope.ts'
import { WritePath } from './write-path.ts'

/** POST of a collection. */
export function createHandler(scope: Scope): Handler {
  const { forms, registry } = scope
  return async (ctx) => {
    const form = negotiate(ctx, forms.offers.object)
    const encoding = bodyEncoding(ctx, forms.version.encodings)
    const body = await readBody(ctx)
    const options = parseWriteOptions(ctx.query, 'CreateOptions')
    const object = await decodeObject(ctx, body, {
      encoding,
      version: forms.version,
      yaml: scope.yaml,
      validation: options.fieldValidation,
    })
    placeInNamespace(scope, object, ctx.info.namespace)
    const write = writeOf(ctx, scope, object.metadata.name ?? '', { ...options, bodyBytes: body.byteLength })
    const path = new WritePath(ctx, scope, write, options)
    const created = await registry.create(
      write,
      await path.made(object, undefined, pausesOf(body.byteLength)),
      path.hooks,
    )
    await answerObject(ctx, scope, 201, created, form)
  }
}

export function writeOf(
  ctx: RequestContext,
  scope: Scope,
  name: string,
  { dryRun, bodyBytes = 0 }: Pick<WriteOptions, 'dryRun'> & { readonly bodyBytes?: number },
): Write {
  const namespace = scope.resource.namespaced ? ctx.info.namespace : ''
  return { user: ctx.user!, namespace, name, now: scope.clock.now(), dryRun, bodyBytes }
}

/** The path says the namespace; a body may repeat it. @throws StatusError 400 where it says another. */
export function placeInNamespace(scope: Scope, object: KubeObject, namespace: string): void {
  if (!scope.resource.namespaced) {
    delete object.metadata.namespace
    return
  }
  const own = object.metadata.namespace ?? ''
  if (own !== '' && own !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  object.metadata.namespace = namespace
}

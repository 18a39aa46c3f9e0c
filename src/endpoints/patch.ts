/** PATCH: JSON patch, merge patch and strategic merge patch (apply is apply.ts), applied to the stored object and tried again after a lost race. */
import { decodeUtf8, parseJson } from '../api/codec/json-reader.ts'
import { MAX_VALUES } from '../api/codec/json-scan.ts'
import { JsonSyntaxError } from '../api/codec/json-syntax-error.ts'
import { fieldError } from '../api/field-error.ts'
import type { KindVersion } from '../api/kinds/kind-version.ts'
import type { KubeObject } from '../api/meta.ts'
import {
  StatusError,
  badRequest,
  genericServerResponse,
  invalid,
  notFound,
  requestEntityTooLarge,
  unroutableMediaType,
  unsupportedMediaType,
} from '../api/status-error.ts'
import type { Handler } from '../http/filter.ts'
import { negotiate } from '../http/negotiation.ts'
import type { RequestContext } from '../http/request-context.ts'
import { applyJsonPatch } from '../registry/patch/json-patch.ts'
import type { JsonObject } from '../api/json-value.ts'
import { applyMergePatch } from '../registry/patch/merge-patch.ts'
import { PatchError } from '../registry/patch/patch-error.ts'
import { applyStrategicMergePatch } from '../registry/patch/strategic-merge.ts'
import { applyHandler } from './apply.ts'
import { answerObject } from './answer-object.ts'
import { contentTypeOf } from './content-type.ts'
import { writeOf } from './create.ts'
import { type WriteOptions, parseWriteOptions } from './options.ts'
import { fitted, unfit } from './patch-result.ts'
import { readBody } from './read-body.ts'
import { type Scope, groupResourceOf } from './scope.ts'
import { matchUrl } from './update.ts'
import { WritePath } from './write-path.ts'

const JSON_PATCH = 'application/json-patch+json'
const MERGE_PATCH = 'application/merge-patch+json'
const APPLY_PATCH = 'application/apply-patch+yaml'
const STRATEGIC_MERGE_PATCH = 'application/strategic-merge-patch+json'

type Apply = (current: JsonObject) => unknown

export function patchHandler(scope: Scope): Handler {
  const { forms, registry, strategy } = scope
  const { strategicType } = forms.version
  const accepted = [JSON_PATCH, MERGE_PATCH, ...(strategicType ? [STRATEGIC_MERGE_PATCH] : [])]
  const apply = applyHandler(scope)
  return async (ctx) => {
    const type = contentTypeOf(ctx)
    if (type === APPLY_PATCH) return apply(ctx)
    if (!accepted.includes(type))
      throw strategicType ? unroutableMediaType(415) : unsupportedMediaType([...accepted, APPLY_PATCH])
    const form = negotiate(ctx, forms.offers.object)
    const body = await readBody(ctx)
    const options = parseWriteOptions(ctx.query, 'PatchOptions')
    checkForce(ctx)
    const patch = parsePatch(forms.version, type, body)
    const write = writeOf(ctx, scope, ctx.info.name, { ...options, bodyBytes: body.byteLength })
    const path = new WritePath(ctx, scope, write, options)
    const { object } = await registry.update({
      write,
      strategy,
      reapply: true,
      transform: async (current, pause) => {
        if (!current) throw notFound(groupResourceOf(scope), ctx.info.name)
        const document = applied(patch, forms.typed(current))
        await pause?.()
        return path.made(patched(ctx, scope, document, options), current, pause)
      },
      hooks: path.hooks,
    })
    await answerObject(ctx, scope, 200, object, form)
  }
}

function checkForce(ctx: RequestContext): void {
  if (!ctx.query.has('force')) return
  throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
    fieldError.forbidden('force', 'may not be specified for non-apply patch'),
  ])
}

function parsePatch({ strategicType }: KindVersion, type: string, body: Uint8Array): Apply {
  const value = parseBody(body)
  if (type === JSON_PATCH) return (current) => applyJsonPatch(current, value)
  if (typeof value !== 'object' || Array.isArray(value)) {
    const given = Array.isArray(value) ? 'array' : typeof value
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${given} into Go value of type map[string]interface {}`,
    )
  }
  if (type === MERGE_PATCH) return (current) => applyMergePatch(current, value)
  return (current) => applyStrategicMergePatch(strategicType!, current, value)
}

function parseBody(body: Uint8Array): unknown {
  try {
    return parseJson(decodeUtf8(body), { maxValues: MAX_VALUES }).value
  } catch (e) {
    throw e instanceof JsonSyntaxError ? badRequest(`error decoding patch: ${e.message}`, e) : e
  }
}

/** The patched document, fitted into its type again. @throws StatusError 400, 422. */
function patched(ctx: RequestContext, scope: Scope, document: object, options: WriteOptions): KubeObject {
  const { forms } = scope
  checkKind(document, forms.version)
  const result = fitted(ctx, forms.version, document, options)
  matchUrl(scope, result, ctx.info.namespace, ctx.info.name)
  return result
}

/** A patch may not make another kind of the object. */
function checkKind(document: object, version: KindVersion): void {
  const { kind, apiVersion } = document as { kind?: unknown; apiVersion?: unknown }
  if (kind === version.kind && apiVersion === version.apiVersion) return
  const named = `no kind ${JSON.stringify(kind ?? '')} is registered for version ${JSON.stringify(apiVersion ?? '')}`
  throw unfit(document, `${named} in scheme "pkg/runtime/scheme.go:111"`)
}

/** @throws StatusError 400 for a patch that is none, 413, 422 for one that does not fit the document. */
function applied(apply: Apply, current: KubeObject): object {
  let document: unknown
  try {
    document = apply({ ...current })
  } catch (e) {
    throw e instanceof PatchError ? patchStatus(e) : e
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw unfit(document, 'the patched document is not an object')
  return document
}

function patchStatus(e: PatchError): StatusError {
  if (e.kind === 'too-large') return requestEntityTooLarge(e.message)
  if (e.kind === 'rejected') return new StatusError(500, '', e.message)
  return e.kind === 'malformed'
    ? badRequest(`error decoding patch: ${e.message}`, e)
    : genericServerResponse(422, 'patch', { group: '', resource: '' }, '')
}

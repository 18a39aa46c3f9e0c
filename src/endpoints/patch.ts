/** PATCH: JSON patch, merge patch and strategic merge patch, applied to the stored object and tried again after a lost race. */
import { decodeUtf8, parseJson } from '../api/codec/json-reader.ts'
import { MAX_VALUES } from '../api/codec/json-scan.ts'
import { JsonSyntaxError } from '../api/codec/json-syntax-error.ts'
import { TypeMismatchError, decodeTyped } from '../api/codec/typed-decode.ts'
import { encodeJson } from '../api/codec/json-writer.ts'
import { fieldError } from '../api/field-error.ts'
import type { KubeObject } from '../api/meta.ts'
import {
  StatusError,
  badRequest,
  genericServerResponse,
  invalid,
  notFound,
  requestEntityTooLarge,
  unroutableMediaType,
} from '../api/status-error.ts'
import type { Handler } from '../http/filter.ts'
import { negotiate } from '../http/negotiation.ts'
import type { RequestContext } from '../http/request-context.ts'
import { applyJsonPatch } from '../registry/patch/json-patch.ts'
import type { JsonObject } from '../registry/patch/json-value.ts'
import { applyMergePatch } from '../registry/patch/merge-patch.ts'
import { PatchError } from '../registry/patch/patch-error.ts'
import { applyStrategicMergePatch } from '../registry/patch/strategic-merge.ts'
import { type Resource, apiVersionOf } from '../registry/resource.ts'
import { answerObject } from './answer-object.ts'
import { contentTypeOf } from './content-type.ts'
import { writeOf } from './create.ts'
import { typed } from './object-forms.ts'
import { type WriteOptions, parseWriteOptions } from './options.ts'
import { readBody } from './read-body.ts'
import { type Scope, groupResourceOf } from './scope.ts'
import { TRANSFORM_OFFER } from './transforms.ts'
import { matchUrl } from './update.ts'

const JSON_PATCH = 'application/json-patch+json'
const MERGE_PATCH = 'application/merge-patch+json'
const STRATEGIC_MERGE_PATCH = 'application/strategic-merge-patch+json'
const ACCEPTED = [JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH]

type Apply = (current: JsonObject) => unknown

export function patchHandler(scope: Scope): Handler {
  const { resource, registry, strategy } = scope
  return async (ctx) => {
    const type = contentTypeOf(ctx)
    if (!ACCEPTED.includes(type)) throw unroutableMediaType(415)
    const form = negotiate(ctx, TRANSFORM_OFFER)
    const body = await readBody(ctx)
    const options = parseWriteOptions(ctx.query, 'PatchOptions')
    checkForce(ctx)
    const patch = parsePatch(scope, type, body)
    const { object } = await registry.update({
      write: writeOf(ctx, scope, ctx.info.name, { ...options, bodyBytes: body.byteLength }),
      strategy,
      reapply: true,
      transform: (current) => {
        if (!current) throw notFound(groupResourceOf(scope), ctx.info.name)
        return patched(ctx, scope, current, patch, options)
      },
      hooks: { admit: (o, old) => scope.admission(ctx, scope, 'update', o, old), warn: (text) => ctx.warn(text) },
    })
    await answerObject(ctx, scope, 200, typed(resource, object), form)
  }
}

function checkForce(ctx: RequestContext): void {
  if (!ctx.query.has('force')) return
  throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
    fieldError.forbidden('force', 'may not be specified for non-apply patch'),
  ])
}

function parsePatch(scope: Scope, type: string, body: Uint8Array): Apply {
  const value = parseBody(body)
  if (type === JSON_PATCH) return (current) => applyJsonPatch(current, value)
  if (typeof value !== 'object' || Array.isArray(value)) {
    const given = Array.isArray(value) ? 'array' : typeof value
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${given} into Go value of type map[string]interface {}`,
    )
  }
  if (type === MERGE_PATCH) return (current) => applyMergePatch(current, value)
  return (current) => applyStrategicMergePatch(scope.resource.type, current, value)
}

function parseBody(body: Uint8Array): unknown {
  try {
    return parseJson(decodeUtf8(body), { maxValues: MAX_VALUES }).value
  } catch (e) {
    throw e instanceof JsonSyntaxError ? badRequest(`error decoding patch: ${e.message}`, e) : e
  }
}

/** The patched document, fitted into its type again. @throws StatusError 400, 422. */
function patched(
  ctx: RequestContext,
  scope: Scope,
  current: KubeObject,
  apply: Apply,
  options: WriteOptions,
): KubeObject {
  const { resource } = scope
  const document = applied(apply, typed(resource, current))
  checkKind(document, resource)
  const { object, problems } = fit(scope, document)
  if (problems.length > 0) {
    if (options.fieldValidation === 'Strict') throw unfit(document, `strict decoding error: ${problems.join(', ')}`)
    if (options.fieldValidation === 'Warn') for (const problem of problems) ctx.warn(problem)
  }
  const { kind: _k, apiVersion: _a, ...result } = object as KubeObject & Record<string, unknown>
  delete result.metadata.managedFields
  matchUrl(scope, result, ctx.info.namespace, ctx.info.name)
  return result
}

/** A patch may not make another kind of the object. */
function checkKind(document: object, resource: Resource): void {
  const { kind, apiVersion } = document as { kind?: unknown; apiVersion?: unknown }
  if (kind === resource.kind && apiVersion === apiVersionOf(resource)) return
  const named = `no kind ${JSON.stringify(kind ?? '')} is registered for version ${JSON.stringify(apiVersion ?? '')}`
  throw unfit(document, `${named} in scheme "pkg/runtime/scheme.go:110"`)
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

function fit(scope: Scope, document: object): { object: object; problems: readonly string[] } {
  try {
    return decodeTyped(scope.resource.type, document)
  } catch (e) {
    if (e instanceof TypeMismatchError) throw unfit(document, e.message)
    throw e instanceof StatusError ? e : badRequest((e as Error).message, e)
  }
}

function unfit(document: unknown, why: string): StatusError {
  return invalid({ group: '', kind: '' }, '', [fieldError.invalid('patch', encodeJson(document), why)])
}

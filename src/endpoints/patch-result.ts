/** What a patch or an apply made, in the form of its kind again. Callers: patch.ts, apply.ts. */
import { TypeMismatchError } from '../api/codec/typed-decode.ts'
import { encodeJson } from '../api/codec/json-writer.ts'
import { fieldError } from '../api/field-error.ts'
import type { FittedObject, KindVersion } from '../api/kinds/kind-version.ts'
import type { KubeObject } from '../api/meta.ts'
import { StatusError, badRequest, invalid } from '../api/status-error.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { WriteOptions } from './options.ts'

/** @returns the object without kind and apiVersion, defaulted. @throws StatusError 400, 422. */
export function fitted(
  ctx: RequestContext,
  version: KindVersion,
  document: object,
  { fieldValidation }: WriteOptions,
): KubeObject {
  const { object, problems } = fit(version, document)
  if (problems.length > 0) {
    if (fieldValidation === 'Strict') throw unfit(document, `strict decoding error: ${problems.join(', ')}`)
    if (fieldValidation === 'Warn') for (const problem of problems) ctx.warn(problem)
  }
  const { kind: _k, apiVersion: _a, ...result } = object
  version.fillDefaults(result)
  return result
}

export function unfit(document: unknown, why: string): StatusError {
  return invalid({ group: '', kind: '' }, '', [fieldError.invalid('patch', encodeJson(document), why)])
}

function fit(version: KindVersion, document: object): FittedObject {
  try {
    return version.fit(document)
  } catch (e) {
    if (e instanceof TypeMismatchError) throw unfit(document, e.message)
    throw e instanceof StatusError ? e : badRequest((e as Error).message, e)
  }
}

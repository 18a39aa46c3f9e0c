/** The object of a request's body: decoded by the tables, as strictly as the client asked. */
import { DecodeError, type DecodedBody, type Encoding, decodeBody, strictDecodingMessage } from '../api/codec/codec.ts'
import { formatGroupVersion } from '../api/group-version.ts'
import type { KubeObject } from '../api/meta.ts'
import type { TypeTable } from '../api/schema/type-table.ts'
import { badRequest } from '../api/status-error.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { WriteOptions } from './options.ts'

export interface ExpectedType {
  readonly group: string
  readonly version: string
  readonly kind: string
}
export interface DecodeRequest {
  readonly encoding: Encoding
  readonly types: TypeTable
  readonly expected: ExpectedType
  readonly validation: WriteOptions['fieldValidation']
}

/** @returns the object without kind and apiVersion. @throws StatusError 400 in the words of kube-apiserver's decoder. */
export function decodeObject(ctx: RequestContext, body: Uint8Array, o: DecodeRequest): KubeObject {
  const { expected } = o
  const apiVersion = formatGroupVersion(expected)
  const decoded = decode(body, o, apiVersion)
  if (decoded.apiVersion !== apiVersion) {
    throw badRequest(
      `the API version in the data (${decoded.apiVersion}) does not match the expected API version (${apiVersion})`,
    )
  }
  reportProblems(ctx, decoded.problems, o)
  const { kind: _k, apiVersion: _a, ...object } = decoded.object
  object.metadata = { ...object.metadata }
  delete object.metadata.managedFields
  return object
}

function reportProblems(
  ctx: RequestContext,
  problems: readonly string[],
  { validation, expected }: DecodeRequest,
): void {
  if (problems.length === 0) return
  if (validation === 'Strict')
    throw badRequest(strictDecodingMessage(expected.kind, expected.version, expected.kind, problems))
  if (validation === 'Warn') for (const problem of problems) ctx.warn(problem)
}

function decode(body: Uint8Array, o: DecodeRequest, apiVersion: string): DecodedBody {
  try {
    return decodeBody(body, o.encoding, o.types, { apiVersion, kind: o.expected.kind })
  } catch (e) {
    throw e instanceof DecodeError ? badRequest(e.message, e) : e
  }
}

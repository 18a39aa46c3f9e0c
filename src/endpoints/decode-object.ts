/** The object of a request's body: decoded by the tables, as strictly as the client asked. */
import {
  DecodeError,
  type DecodedBody,
  type Encoding,
  decodeBody,
  decodeBodySteps,
  strictDecodingMessage,
} from '../api/codec/codec.ts'
import { formatGroupVersion } from '../api/group-version.ts'
import { MAX_VALUES } from '../api/codec/json-scan.ts'
import { YamlBusyError, type YamlThread } from '../api/codec/yaml-thread.ts'
import type { YamlAsJson } from '../api/codec/yaml-json.ts'
import type { KubeObject } from '../api/meta.ts'
import type { TypeTable } from '../api/schema/type-table.ts'
import { inTurns } from '../lib/next-turn.ts'
import { badRequest, tooManyRequests } from '../api/status-error.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { WriteOptions } from './options.ts'

/** Smaller ones are decoded at once. */
const LARGE_BODY_BYTES = 128 * 1024

export interface ExpectedType {
  readonly group: string
  readonly version: string
  readonly kind: string
}
export interface DecodeRequest {
  readonly encoding: Encoding
  readonly types: TypeTable
  readonly yaml: YamlThread
  readonly expected: ExpectedType
  readonly validation: WriteOptions['fieldValidation']
}

/** @returns the object without kind and apiVersion. @throws StatusError 400 in the words of kube-apiserver's decoder. */
export async function decodeObject(ctx: RequestContext, body: Uint8Array, o: DecodeRequest): Promise<KubeObject> {
  const { expected } = o
  const apiVersion = formatGroupVersion(expected)
  const yaml = await readYaml(body, o)
  const decoded = await decode(body, o, { apiVersion, ...(yaml ? { yaml } : {}) })
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

/** @returns what the thread made of a large one. @throws StatusError 429. */
export async function readYaml(
  body: Uint8Array,
  o: { readonly encoding: Encoding; readonly yaml: YamlThread },
): Promise<YamlAsJson | undefined> {
  if (o.encoding !== 'yaml') return undefined
  try {
    return await o.yaml.read(body)
  } catch (e) {
    throw e instanceof YamlBusyError ? tooManyRequests(e.message, 1) : e
  }
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

async function decode(
  body: Uint8Array,
  { encoding, types, expected }: DecodeRequest,
  more: { apiVersion: string; yaml?: YamlAsJson },
): Promise<DecodedBody> {
  const reading = { ...more, kind: expected.kind, maxValues: MAX_VALUES }
  try {
    return body.byteLength > LARGE_BODY_BYTES
      ? await inTurns(decodeBodySteps(body, encoding, types, reading))
      : decodeBody(body, encoding, types, reading)
  } catch (e) {
    throw e instanceof DecodeError ? badRequest(e.message, e) : e
  }
}

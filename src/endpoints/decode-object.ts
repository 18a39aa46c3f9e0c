/** The object of a request's body: decoded in the version of its path, as strictly as the client asked. */
import { DecodeError, type DecodedBody, type Encoding, strictDecodingMessage } from '../api/codec/codec.ts'
import { MAX_VALUES } from '../api/codec/json-scan.ts'
import { YamlBusyError, type YamlThread } from '../api/codec/yaml-thread.ts'
import type { YamlAsJson } from '../api/codec/yaml-json.ts'
import type { KubeObject } from '../api/meta.ts'
import type { KindVersion } from '../api/kinds/kind-version.ts'
import { inTurns, pausesOf } from '../lib/next-turn.ts'
import { badRequest, tooManyRequests } from '../api/status-error.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { WriteOptions } from './options.ts'

export interface DecodeRequest {
  readonly encoding: Encoding
  readonly version: KindVersion
  readonly yaml: YamlThread
  readonly validation: WriteOptions['fieldValidation']
}

/** @returns the object without kind and apiVersion, defaulted. @throws StatusError 400 in the words of kube-apiserver's decoder. */
export async function decodeObject(ctx: RequestContext, body: Uint8Array, o: DecodeRequest): Promise<KubeObject> {
  const { apiVersion } = o.version
  const yaml = await readYaml(body, o)
  const decoded = await decode(body, o, yaml)
  if (decoded.apiVersion !== apiVersion) {
    throw badRequest(
      `the API version in the data (${decoded.apiVersion}) does not match the expected API version (${apiVersion})`,
    )
  }
  reportProblems(ctx, decoded.problems, o)
  const { kind: _k, apiVersion: _a, ...object } = decoded.object
  object.metadata = { ...object.metadata }
  o.version.fillDefaults(object)
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
  { validation, version }: DecodeRequest,
): void {
  if (problems.length === 0) return
  if (validation === 'Strict')
    throw badRequest(strictDecodingMessage(version.kind, version.version, version.kind, problems))
  if (validation === 'Warn') for (const problem of problems) ctx.warn(problem)
}

async function decode(
  body: Uint8Array,
  { encoding, version }: DecodeRequest,
  yaml: YamlAsJson | undefined,
): Promise<DecodedBody> {
  const steps = version.decode(body, encoding, { maxValues: MAX_VALUES, ...(yaml ? { yaml } : {}) })
  try {
    return pausesOf(body.byteLength) ? await inTurns(steps) : atOnce(steps)
  } catch (e) {
    throw e instanceof DecodeError ? badRequest(e.message, e) : e
  }
}

export function atOnce<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

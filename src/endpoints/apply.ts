/** PATCH of type apply: a configuration of the fields that its manager cares for, merged by who owns what. */
import { DecodeError, type DecodedUntyped, decodeUntyped } from '../api/codec/codec.ts'
import { MAX_VALUES } from '../api/codec/json-scan.ts'
import type { YamlAsJson } from '../api/codec/yaml-json.ts'
import { fieldError } from '../api/field-error.ts'
import type { KubeObject } from '../api/meta.ts'
import { badRequest, conflict, invalid } from '../api/status-error.ts'
import type { Handler } from '../http/filter.ts'
import { negotiate } from '../http/negotiation.ts'
import type { RequestContext } from '../http/request-context.ts'
import { answerObject } from './answer-object.ts'
import { writeOf } from './create.ts'
import { readYaml } from './decode-object.ts'
import { flagParameter, parseWriteOptions, type WriteOptions } from './options.ts'
import { fitted } from './patch-result.ts'
import { readBody } from './read-body.ts'
import { type Scope, groupResourceOf } from './scope.ts'
import { matchUrl } from './update.ts'
import { WritePath } from './write-path.ts'

export function applyHandler(scope: Scope): Handler {
  const { forms, managing, registry, strategy } = scope
  return async (ctx) => {
    const form = negotiate(ctx, forms.offers.object)
    const body = await readBody(ctx)
    const options = parseWriteOptions(ctx.query, 'PatchOptions')
    const manager = managerOf(ctx)
    const force = flagParameter(ctx.query, 'force') ?? false
    const { config, problems } = await readConfiguration(scope, body)
    const write = writeOf(ctx, scope, ctx.info.name, { ...options, bodyBytes: body.byteLength })
    const path = new WritePath(ctx, scope, write, { ...options, force })
    const { object, created } = await registry.update({
      write,
      strategy,
      reapply: true,
      createsMissing: scope.subresource === '',
      transform: async (current, pause) => {
        if (!current) refuseUid(scope, ctx.info.name, config)
        const live = current && forms.typed(current)
        const applied = await managing((fields) => fields.apply({ live, config, manager, force, now: write.now }))
        await pause?.()
        // Who conflicts hears of that first, as upstream.
        reportProblems(ctx, problems, options)
        const result = fitted(ctx, forms.version, applied, options)
        matchUrl(scope, result, ctx.info.namespace, ctx.info.name)
        await pause?.()
        return path.applied(result, current)
      },
      hooks: path.hooks,
    })
    await answerObject(ctx, scope, created ? 201 : 200, object, form)
  }
}

function managerOf(ctx: RequestContext): string {
  const manager = ctx.query.get('fieldManager') ?? ''
  if (manager !== '') return manager
  throw invalid({ group: 'meta.k8s.io', kind: 'PatchOptions' }, '', [
    fieldError.required('fieldManager', 'is required for apply patch'),
  ])
}

interface Configuration {
  readonly config: KubeObject
  readonly problems: readonly string[]
}

/** An empty document is an object without anything. @throws StatusError 400 for a body that is no object. */
async function readConfiguration({ forms, yaml }: Scope, body: Uint8Array): Promise<Configuration> {
  const read = await readYaml(body, { encoding: 'yaml', yaml })
  const { value, problems } = decoded(body, forms.version.kind, read)
  if (value !== null && (typeof value !== 'object' || Array.isArray(value))) {
    const given = Array.isArray(value) ? 'array' : typeof value === 'boolean' ? 'bool' : typeof value
    throw badRequest(
      `error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal ${given} into Go value of type map[string]interface {}`,
    )
  }
  const config = (value ?? {}) as KubeObject
  return { config: { ...config, metadata: { ...config.metadata } }, problems }
}

function reportProblems(ctx: RequestContext, problems: readonly string[], { fieldValidation }: WriteOptions): void {
  if (problems.length === 0) return
  if (fieldValidation === 'Strict')
    throw badRequest(`error strict decoding YAML: error converting YAML to JSON: ${problems.join(', ')}`)
  if (fieldValidation === 'Warn') for (const problem of problems) ctx.warn(problem)
}

function decoded(body: Uint8Array, kind: string, yaml: YamlAsJson | undefined): DecodedUntyped {
  try {
    return decodeUntyped(body, 'yaml', kind, { maxValues: MAX_VALUES, ...(yaml ? { yaml } : {}) })
  } catch (e) {
    if (!(e instanceof DecodeError)) throw e
    throw badRequest(`error decoding YAML: error converting YAML to JSON: ${e.detail}`, e)
  }
}

/** A uid says that the object is there. */
function refuseUid(scope: Scope, name: string, { metadata }: KubeObject): void {
  if (metadata.uid === undefined) return
  const why = `uid mismatch: the provided object specified uid ${metadata.uid}, and no existing object was found`
  throw conflict(groupResourceOf(scope), name, why)
}

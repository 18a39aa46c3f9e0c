/** DeleteOptions: from the body, or from the query where there is none. */
import { DecodeError } from '../api/codec/codec.ts'
import { MAX_VALUES } from '../api/codec/json-scan.ts'
import { type FieldError, fieldError } from '../api/field-error.ts'
import { badRequest, invalid } from '../api/status-error.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { DeleteOptions, PropagationPolicy } from '../registry/deletion.ts'
import { bodyEncoding } from './content-type.ts'
import { atOnce, readYaml } from './decode-object.ts'
import { dryRunErrors, flagParameter, intParameter } from './options.ts'
import { readBody } from './read-body.ts'
import type { Scope } from './scope.ts'

const POLICIES: readonly PropagationPolicy[] = ['Orphan', 'Background', 'Foreground']

export interface ParsedDeleteOptions extends DeleteOptions {
  readonly orphanDependents?: boolean
}
type Wire = Pick<Scope, 'deleteOptions' | 'yaml'>
interface Raw {
  gracePeriodSeconds?: number
  propagationPolicy?: string
  orphanDependents?: boolean
  preconditions?: { uid?: string; resourceVersion?: string }
  dryRun?: string[]
}

/** @throws StatusError 400, 413, 415, 422. */
export async function readDeleteOptions(ctx: RequestContext, scope: Wire): Promise<ParsedDeleteOptions> {
  const body = await readBody(ctx)
  const raw = body.byteLength > 0 ? await fromBody(ctx, body, scope) : fromQuery(ctx.query)
  const errors = problemsOf(raw)
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind: 'DeleteOptions' }, '', errors)
  const policy =
    raw.propagationPolicy ??
    (raw.orphanDependents === undefined ? undefined : raw.orphanDependents ? 'Orphan' : 'Background')
  return {
    dryRun: (raw.dryRun ?? []).length > 0,
    ...(raw.gracePeriodSeconds === undefined
      ? {}
      : { gracePeriodSeconds: Math.max(raw.gracePeriodSeconds, 0) || (raw.gracePeriodSeconds < 0 ? 1 : 0) }),
    ...(policy === undefined ? {} : { propagationPolicy: policy as PropagationPolicy }),
    ...(raw.preconditions === undefined ? {} : { preconditions: raw.preconditions }),
    ...(raw.orphanDependents === undefined ? {} : { orphanDependents: raw.orphanDependents }),
  }
}

async function fromBody(ctx: RequestContext, body: Uint8Array, { deleteOptions, yaml }: Wire): Promise<Raw> {
  const encoding = bodyEncoding(ctx)
  const read = await readYaml(body, { encoding, yaml })
  const reading = { maxValues: MAX_VALUES, ...(read ? { yaml: read } : {}) }
  try {
    return atOnce(deleteOptions.decode(body, encoding, reading)).object as Raw
  } catch (e) {
    if (!(e instanceof DecodeError)) throw e
    throw badRequest(e.detail.startsWith('no kind "') ? e.detail : e.message, e)
  }
}

function fromQuery(query: URLSearchParams): Raw {
  const grace = intParameter(query, 'gracePeriodSeconds')
  const orphan = flagParameter(query, 'orphanDependents')
  const policy = query.get('propagationPolicy')
  return {
    ...(grace === undefined ? {} : { gracePeriodSeconds: grace }),
    ...(orphan === undefined ? {} : { orphanDependents: orphan }),
    ...(policy === null || policy === '' ? {} : { propagationPolicy: policy }),
    dryRun: query.getAll('dryRun'),
  }
}

function problemsOf(raw: Raw): FieldError[] {
  const errors: FieldError[] = []
  if (raw.propagationPolicy !== undefined && !POLICIES.some((p) => p === raw.propagationPolicy)) {
    errors.push(
      fieldError.notSupported('propagationPolicy', raw.propagationPolicy, [
        'Foreground',
        'Background',
        'Orphan',
        'nil',
      ]),
    )
  }
  if (raw.orphanDependents !== undefined && raw.propagationPolicy !== undefined) {
    errors.push(
      fieldError.invalid(
        'propagationPolicy',
        raw.propagationPolicy,
        'orphanDependents and deletionPropagation cannot be both set',
      ),
    )
  }
  return [...errors, ...dryRunErrors(raw.dryRun ?? [])]
}

/** Connections to something else than the object itself: exec, attach, portforward, proxy. Admitted with their options, then opened. */
import type { KindVersion } from '../api/kinds/kind-version.ts'
import type { KubeObject } from '../api/meta.ts'
import type { Field } from '../api/schema/type-table.ts'
import type { Handler } from '../http/filter.ts'
import type { RequestContext } from '../http/request-context.ts'
import { writeOf } from './create.ts'
import { flagParameter, intParameter } from './options.ts'
import type { Scope } from './scope.ts'
import { WritePath } from './write-path.ts'

/** Without metadata: a kind of query parameters. */
export type ConnectOptions = Pick<KubeObject, 'kind' | 'apiVersion'> & Readonly<Record<string, unknown>>

export interface Connection {
  /** The kind of its query parameters. */
  readonly options: KindVersion
  /** Whether a path may follow the name. */
  readonly takesPath: boolean
  /** @param options as admission left them. */
  open(ctx: RequestContext, options: ConnectOptions): void | Promise<void>
}

/** @param scope of the subresource. */
export function connectHandler(scope: Scope, connection: Connection): Handler {
  return (ctx) => {
    const options = readConnectOptions(ctx, connection)
    if (scope.admission.isEmpty) return connection.open(ctx, options)
    const write = writeOf(ctx, scope, ctx.info.name, { dryRun: false })
    const path = new WritePath(ctx, scope, write, {})
    const admitted = path.connecting(options as unknown as KubeObject, connection.options)
    const open = (object: KubeObject): void | Promise<void> => connection.open(ctx, object as unknown as ConnectOptions)
    return admitted instanceof Promise ? admitted.then(open) : open(admitted)
  }
}

/** Parameters that the kind does not have are not for it: a proxy hands them on. @throws StatusError 400 for what is no number. */
function readConnectOptions(ctx: RequestContext, { options: version, takesPath }: Connection): ConnectOptions {
  const { kind, apiVersion, schema } = version
  const options: Record<string, unknown> = { kind, apiVersion }
  if (!('fields' in schema)) return options
  for (const field of schema.fields) {
    const value = takesPath && field.name === 'path' ? pathBehind(ctx) : readParameter(ctx.query, field)
    if (value !== undefined) options[field.name] = value
  }
  return options
}

function readParameter(query: URLSearchParams, { name, type }: Field): unknown {
  if (!query.has(name)) return undefined
  if (type.kind === 'list') return query.getAll(name)
  if (type.kind === 'bool') return flagParameter(query, name)
  return type.kind === 'int32' || type.kind === 'int64' ? intParameter(query, name) : query.get(name)
}

/** What follows the subresource in the path, with the slash that it ends with. */
function pathBehind({ info }: RequestContext): string | undefined {
  const parts = info.parts.slice(3)
  return parts.length === 0 ? undefined : parts.join('/') + (info.path.endsWith('/') ? '/' : '')
}

/**
 * A typed client for any resource, in JSON, over a Transport. Errors are StatusError, as the server sent them.
 *
 * Callers:  controllers/, the aggregator's controllers, reflectors.
 * Not here: retries (the work queue's), caching (informer.ts).
 */
import type { GroupVersionResource } from '../api/group-version.ts'
import type { KubeList, KubeObject } from '../api/meta.ts'
import { type Reason, type Status, StatusError } from '../api/status-error.ts'
import { readLines, readWhole } from './response-body.ts'
import type { Transport, TransportResponse } from './transport.ts'

/** Which object or collection; without a namespace: cluster-scoped, or all namespaces. */
export interface Place {
  readonly namespace?: string
  readonly signal?: AbortSignal
}
export interface ListOptions extends Place {
  readonly labelSelector?: string
  readonly fieldSelector?: string
  readonly resourceVersion?: string
  readonly resourceVersionMatch?: 'Exact' | 'NotOlderThan'
  readonly limit?: number
  readonly continue?: string
}
export interface WatchOptions extends Omit<ListOptions, 'limit' | 'continue'> {
  readonly timeoutSeconds?: number
  readonly allowWatchBookmarks?: boolean
  readonly sendInitialEvents?: boolean
}
export interface WriteOptions extends Place {
  readonly fieldManager?: string
  readonly subresource?: string
  readonly dryRun?: boolean
}
export type PatchType = 'json' | 'merge' | 'strategic' | 'apply'
export interface DeleteOptions extends Place {
  readonly gracePeriodSeconds?: number
  readonly propagationPolicy?: 'Orphan' | 'Background' | 'Foreground'
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string }
}
/** ERROR events are thrown as StatusError, not given. */
export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  readonly object: T
}

const PATCH_CONTENT: Record<PatchType, string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml', // JSON is YAML
}
/** An answer with more than this is refused: a list of 100,000 objects of 5 KiB still fits. */
const MAX_BODY_BYTES = 512 * 1024 * 1024
const MAX_EVENT_BYTES = 32 * 1024 * 1024

export class Client {
  readonly #transport: Transport
  readonly #headers: Readonly<Record<string, string>>

  /** @param headers sent with each request, such as user-agent or authorization; lower-case names. */
  constructor(transport: Transport, headers: Readonly<Record<string, string>> = {}) {
    this.#transport = transport
    this.#headers = headers
  }

  resource<T extends KubeObject>(ref: GroupVersionResource): ResourceClient<T> {
    return new ResourceClient<T>(this, ref)
  }

  /** One request with a JSON body and answer. @param path with its query. @throws StatusError. */
  async call(method: string, path: string, o: { body?: unknown; contentType?: string; signal?: AbortSignal } = {}) {
    const response = await this.open(method, path, o)
    const text = (await readWhole(response.body, MAX_BODY_BYTES)).toString()
    if (response.status >= 300) throw errorOf(response.status, text)
    return JSON.parse(text) as unknown
  }

  /** One request whose answer streams; the status is not judged. */
  async open(method: string, path: string, o: { body?: unknown; contentType?: string; signal?: AbortSignal } = {}) {
    const hasBody = o.body !== undefined
    return this.#transport({
      method,
      path,
      headers: {
        accept: 'application/json',
        ...this.#headers,
        ...(hasBody && { 'content-type': o.contentType ?? 'application/json' }),
      },
      ...(hasBody && { body: Buffer.from(JSON.stringify(o.body)) }),
      signal: o.signal ?? new AbortController().signal,
    })
  }
}

export class ResourceClient<T extends KubeObject> {
  readonly #client: Client
  readonly #ref: GroupVersionResource

  constructor(client: Client, ref: GroupVersionResource) {
    this.#client = client
    this.#ref = ref
  }

  async get(name: string, o: Place & { resourceVersion?: string } = {}): Promise<T> {
    const path = this.#path(o, name, { resourceVersion: o.resourceVersion })
    return (await this.#client.call('GET', path, signalOf(o))) as T
  }

  async list(o: ListOptions = {}): Promise<KubeList<T>> {
    return (await this.#client.call('GET', this.#path(o, undefined, listQuery(o)), signalOf(o))) as KubeList<T>
  }

  async create(object: T, o: WriteOptions = {}): Promise<T> {
    const place = { namespace: o.namespace ?? object.metadata.namespace }
    const name = o.subresource === undefined ? undefined : object.metadata.name
    const path = this.#path(place, name, writeQuery(o), o.subresource)
    return (await this.#client.call('POST', path, { body: object, ...signalOf(o) })) as T
  }

  async update(object: T, o: WriteOptions = {}): Promise<T> {
    const { namespace, name } = object.metadata
    const path = this.#path({ namespace: o.namespace ?? namespace }, name, writeQuery(o), o.subresource)
    return (await this.#client.call('PUT', path, { body: object, ...signalOf(o) })) as T
  }

  updateStatus(object: T, o: WriteOptions = {}): Promise<T> {
    return this.update(object, { ...o, subresource: 'status' })
  }

  async patch(name: string, patch: unknown, o: WriteOptions & { type: PatchType; force?: boolean }): Promise<T> {
    const query = { ...writeQuery(o), force: o.force === undefined ? undefined : String(o.force) }
    const path = this.#path(o, name, query, o.subresource)
    const request = { body: patch, contentType: PATCH_CONTENT[o.type], ...signalOf(o) }
    return (await this.#client.call('PATCH', path, request)) as T
  }

  /** @returns the object while it is still there, or a Status. */
  async delete(name: string, o: DeleteOptions = {}): Promise<unknown> {
    const { namespace: _, signal: __, ...options } = o
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', ...options }
    return this.#client.call('DELETE', this.#path(o, name, {}), { body, ...signalOf(o) })
  }

  /** Ends when the server ends it. @throws StatusError for a refusal and for an ERROR event. */
  async *watch(o: WatchOptions = {}): AsyncGenerator<WatchEvent<T>, void, void> {
    const response = await this.#client.open('GET', this.#path(o, undefined, watchQuery(o)), signalOf(o))
    await refuseFailure(response)
    for await (const line of readLines(response.body, MAX_EVENT_BYTES)) {
      const event = JSON.parse(line) as WatchEvent<T> | { type: 'ERROR'; object: Partial<Status> }
      if (event.type === 'ERROR') throw statusError(event.object, 500)
      yield event
    }
  }

  #path(o: { namespace?: string | undefined }, name: string | undefined, query: Query, subresource?: string): string {
    const { group, version, resource } = this.#ref
    const segments = group === '' ? ['api', version] : ['apis', group, version]
    if (o.namespace !== undefined) segments.push('namespaces', o.namespace)
    segments.push(resource)
    if (name !== undefined) segments.push(name)
    if (subresource !== undefined) segments.push(...subresource.split('/'))
    const params = new URLSearchParams()
    for (const [key, value] of Object.entries(query)) if (value !== undefined) params.set(key, value)
    const path = `/${segments.map(encodeURIComponent).join('/')}`
    return params.size === 0 ? path : `${path}?${params.toString()}`
  }
}

type Query = Record<string, string | undefined>

const signalOf = (o: Place): { signal?: AbortSignal } => (o.signal ? { signal: o.signal } : {})

function listQuery(o: ListOptions): Query {
  const { labelSelector, fieldSelector, resourceVersion, resourceVersionMatch, limit } = o
  return {
    labelSelector,
    fieldSelector,
    resourceVersion,
    resourceVersionMatch,
    limit: limit === undefined ? undefined : String(limit),
    continue: o.continue,
  }
}
function watchQuery(o: WatchOptions): Query {
  return {
    ...listQuery(o),
    watch: 'true',
    timeoutSeconds: o.timeoutSeconds === undefined ? undefined : String(o.timeoutSeconds),
    allowWatchBookmarks: o.allowWatchBookmarks ? 'true' : undefined,
    sendInitialEvents: o.sendInitialEvents ? 'true' : undefined,
  }
}
function writeQuery(o: WriteOptions): Query {
  return { fieldManager: o.fieldManager, dryRun: o.dryRun ? 'All' : undefined }
}

async function refuseFailure(response: TransportResponse): Promise<void> {
  if (response.status < 300) return
  throw errorOf(response.status, (await readWhole(response.body, MAX_BODY_BYTES)).toString())
}

/** @param text a Status, or plain text as filters before the API answer with. */
export function errorOf(code: number, text: string): StatusError {
  try {
    const body = JSON.parse(text) as Partial<Status>
    if (body.kind === 'Status') return statusError(body, code)
  } catch {
    // Not JSON: the text itself is the message.
  }
  return new StatusError(code, reasonOf(code), text.trim())
}

function statusError(status: Partial<Status>, code: number): StatusError {
  const reason = (status.reason ?? '') as Reason
  return new StatusError(status.code ?? code, reason, status.message ?? '', {
    ...(status.details && { details: status.details }),
    ...(status.metadata?.continue !== undefined && { continue: status.metadata.continue }),
  })
}

const REASONS: ReadonlyMap<number, Reason> = new Map([
  [400, 'BadRequest'],
  [401, 'Unauthorized'],
  [403, 'Forbidden'],
  [404, 'NotFound'],
  [409, 'Conflict'],
  [410, 'Gone'],
  [429, 'TooManyRequests'],
  [503, 'ServiceUnavailable'],
  [504, 'Timeout'],
])
const reasonOf = (code: number): Reason => REASONS.get(code) ?? (code >= 500 ? 'InternalError' : '')

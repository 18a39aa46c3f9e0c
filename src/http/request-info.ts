/**
 * What a request is about, read off its method and path alone.
 * Source: the eleven steps of kube-apiserver's RequestInfo resolver.
 */
export interface RequestInfo {
  readonly isResourceRequest: boolean
  /** Decoded. */
  readonly path: string
  /** get, list, watch, create, update, patch, delete, deletecollection, proxy; the lower-case method for other paths. */
  readonly verb: string
  /** `api`, `apis`, or empty. */
  readonly apiPrefix: string
  readonly apiGroup: string
  readonly apiVersion: string
  readonly namespace: string
  readonly resource: string
  readonly subresource: string
  readonly name: string
  /** From the resource on. */
  readonly parts: readonly string[]
  /** As in the query, unparsed; for list, watch and deletecollection. */
  readonly fieldSelector: string
  readonly labelSelector: string
  /** `/api/v1/watch/...` and `/api/v1/proxy/...`, deprecated: the verb stands in the path. */
  readonly verbInPath: boolean
}

type Mutable = { -readonly [K in keyof RequestInfo]: RequestInfo[K] }

const VERBS: Record<string, string> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
}
const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize'])

/**
 * @param path decoded.
 * @throws RangeError `unable to determine kind and namespace from url, <path>` for a path that ends after `watch` or `proxy`.
 */
export function parseRequestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const info: Mutable = {
    isResourceRequest: false,
    path,
    verb: method.toLowerCase(),
    apiPrefix: '',
    apiGroup: '',
    apiVersion: '',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    parts: [],
    fieldSelector: '',
    labelSelector: '',
    verbInPath: false,
  }
  const segments = splitPath(path)
  const [prefix, second] = segments
  const at = prefix === 'apis' ? 2 : 1
  if ((prefix !== 'api' && prefix !== 'apis') || segments.length < at + 2) return info
  info.apiPrefix = prefix
  if (prefix === 'apis') info.apiGroup = second!
  info.isResourceRequest = true
  info.apiVersion = segments[at]!
  const parts = takeNamespace(info, takeVerb(info, method, segments.slice(at + 1)))
  info.parts = parts
  info.resource = parts[0] ?? ''
  info.name = parts[1] ?? info.name
  if (parts.length >= 3 && info.verb !== 'proxy') info.subresource = parts[2]!
  refineVerb(info, query)
  return info
}

const SLASH = 47
/** Inner empty segments are kept: `/api//v1` is no alias of anything. */
export function splitPath(path: string): string[] {
  let from = 0
  let to = path.length
  while (from < to && path.charCodeAt(from) === SLASH) from++
  while (to > from && path.charCodeAt(to - 1) === SLASH) to--
  return from === to ? [] : path.slice(from, to).split('/')
}

function takeVerb(info: Mutable, method: string, parts: string[]): string[] {
  const first = parts[0]
  if (first === 'watch' || first === 'proxy') {
    if (parts.length < 2) throw new RangeError(`unable to determine kind and namespace from url, ${info.path}`)
    info.verb = first
    info.verbInPath = true
    return parts.slice(1)
  }
  info.verb = VERBS[method] ?? ''
  return parts
}

function takeNamespace(info: Mutable, parts: string[]): string[] {
  if (parts[0] !== 'namespaces' || parts.length < 2) return parts
  info.namespace = parts[1]!
  return parts.length > 2 && !NAMESPACE_SUBRESOURCES.has(parts[2]!) ? parts.slice(2) : parts
}

function refineVerb(info: Mutable, query: URLSearchParams): void {
  if (info.name === '' && info.verb === 'get') {
    info.verb = queryFlag(query, 'watch') ? 'watch' : 'list'
    const name = exactName(query.get('fieldSelector') ?? '')
    if (name !== undefined && isPathSegmentName(name)) info.name = name
  }
  if (info.name === '' && info.verb === 'delete') info.verb = 'deletecollection'
  if (!info.verbInPath && (info.verb === 'list' || info.verb === 'watch' || info.verb === 'deletecollection')) {
    info.fieldSelector = query.get('fieldSelector') ?? ''
    info.labelSelector = query.get('labelSelector') ?? ''
  }
}

/** Absent is false; present is true, even empty, but for `false` and `0`. Source: apimachinery's query conversion. */
export function queryFlag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name)
  return value !== null && value.toLowerCase() !== 'false' && value !== '0'
}

export function isPathSegmentName(name: string): boolean {
  return name !== '.' && name !== '..' && !/[/%]/.test(name)
}

/** The name that a field selector pins with `metadata.name=x`. */
function exactName(fieldSelector: string): string | undefined {
  return EXACT_NAME.exec(fieldSelector)?.[1]
}
const EXACT_NAME = /(?:^|,)metadata\.name==?([^=!,][^,\n\r\u2028\u2029]*)(?=,|$)/

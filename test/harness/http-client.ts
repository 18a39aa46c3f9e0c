/** A small HTTPS client for tests: whole answers with raw headers, and streams. */
import { Agent, type Dispatcher, request } from 'undici'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  readonly bytes: Buffer
  /** The body parsed; throws where it is no JSON. */
  json<T = Record<string, never>>(): T
}
export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: string | Uint8Array | object
  readonly signal?: AbortSignal
}
export interface HttpClient {
  get(path: string, o?: RequestOptions): Promise<Answer>
  post(path: string, body: object | string | Uint8Array, o?: RequestOptions): Promise<Answer>
  put(path: string, body: object | string, o?: RequestOptions): Promise<Answer>
  patch(
    path: string,
    type: 'json' | 'merge' | 'strategic' | 'apply',
    body: unknown,
    o?: RequestOptions,
  ): Promise<Answer>
  delete(path: string, o?: RequestOptions): Promise<Answer>
  request(method: string, path: string, o?: RequestOptions): Promise<Answer>
  stream(path: string, o?: RequestOptions): Promise<Dispatcher.ResponseData>
  close(): Promise<void>
}

const PATCH_TYPES = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
}

export function httpClient(
  url: string,
  tls: { ca?: string; cert?: string; key?: string; allowH2?: boolean } = {},
): HttpClient {
  const { allowH2 = false, ...connect } = tls
  const dispatcher = new Agent({ connect, allowH2, headersTimeout: 60_000, bodyTimeout: 0 })
  const open = (method: string, path: string, o: RequestOptions): Promise<Dispatcher.ResponseData> => {
    const body =
      o.body === undefined || typeof o.body === 'string' || o.body instanceof Uint8Array
        ? o.body
        : JSON.stringify(o.body)
    const type =
      typeof o.body === 'object' && !(o.body instanceof Uint8Array) ? { 'content-type': 'application/json' } : {}
    return request(`${url}${path}`, {
      method: method as Dispatcher.HttpMethod,
      dispatcher,
      headers: { ...type, ...o.headers },
      ...(body === undefined ? {} : { body }),
      ...(o.signal ? { signal: o.signal } : {}),
    })
  }
  const whole = async (method: string, path: string, o: RequestOptions = {}): Promise<Answer> => {
    const response = await open(method, path, o)
    const bytes = Buffer.from(await response.body.arrayBuffer())
    const text = bytes.toString()
    return { status: response.statusCode, headers: response.headers, text, bytes, json: <T>() => JSON.parse(text) as T }
  }
  return {
    get: (path, o) => whole('GET', path, o),
    post: (path, body, o) => whole('POST', path, { ...o, body }),
    put: (path, body, o) => whole('PUT', path, { ...o, body }),
    patch: (path, type, body, o) =>
      whole('PATCH', path, {
        ...o,
        body: typeof body === 'string' ? body : JSON.stringify(body),
        headers: { 'content-type': PATCH_TYPES[type], ...o?.headers },
      }),
    delete: (path, o) => whole('DELETE', path, o),
    request: whole,
    stream: (path, o = {}) => open('GET', path, o),
    close: () => dispatcher.destroy(),
  }
}

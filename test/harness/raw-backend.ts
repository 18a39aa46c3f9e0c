/** A backend whose every answer a test decides, HTTP/1.1 and HTTP/2, and how it is registered by a BackendPolicy. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http'
import http2, { type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import type { BackendPolicySpec, PolicyBackend } from '../../src/api/backend-policy.ts'
import type { Status } from '../../src/api/status-error.ts'
import { untilCondition } from './backends.ts'
import type { TestServer } from './server.ts'

/** What requests and answers of both protocols have in common. */
export interface RawRequest extends Readable {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  /** Name, value, name, value ... as they came. */
  readonly rawHeaders: readonly string[]
  readonly socket: Socket
}
export interface RawResponse extends Writable {
  statusCode: number
  /** Of HTTP/2. */
  readonly stream?: ServerHttp2Stream
  setHeader(name: string, value: string): unknown
  writeHead(status: number, headers?: OutgoingHttpHeaders): unknown
}
export type RawHandler = (request: RawRequest, response: RawResponse) => void
export interface RawBackend extends AsyncDisposable {
  readonly port: number
  readonly address: string
  /** Method and path of each request beyond discovery and probes. */
  readonly seen: string[]
  /** Paths of all requests. */
  readonly asked: readonly string[]
  readonly sockets: ReadonlySet<Socket>
  handler: RawHandler
  /** As a server that is told to end: nothing new is taken (GOAWAY), what runs is finished. Then it starts again. */
  restart(): Promise<void>
  /** New connections are shown this certificate. */
  secure(pair: { readonly cert: string; readonly key: string }): void
  /** Breaks all connections. */
  cut(): void
  close(): Promise<void>
}
export const RAW_GROUP = 'raw.example.com'
export const RAW_PATH = `/apis/${RAW_GROUP}/v1`
export const RAW_API_SERVICE = `v1.${RAW_GROUP}`
const NAMES = ['raw.default.svc', 'localhost', '127.0.0.1', '127.0.0.2', '127.0.0.3']

/** Of node:http's parser, which http2 hands on. */
const HTTP1_LIMITS = { maxHeaderSize: 1_048_576 }

export interface RawOptions {
  readonly host?: string
  readonly port?: number
  readonly handler?: RawHandler
  /** Default: both. */
  readonly http2?: boolean
  readonly pair?: { readonly cert: string; readonly key: string }
  /** Path of a socket, plain HTTP. */
  readonly socketPath?: string
  readonly resources?: readonly string[]
  /** Instead of its own: the group it speaks for, in version v1. */
  readonly anyGroup?: string
  /** Answers `/readyz`; default: there is none. */
  readonly readyz?: RawHandler
  /** Default true; `hangs`: asked for it, it never answers. */
  readonly openapi?: boolean | 'hangs'
  /** Of version 2; default: none. */
  readonly openapiV2?: object
  /** Of version 3; default: its paths alone. */
  readonly openapiV3?: object
  /** HTTP/2 streams that it takes at once on a connection. */
  readonly maxStreams?: number
  /** Asks for client certificates of this CA, and takes no others. */
  readonly clientCA?: string
  /** `/a/b`: everything it has is there, and `seen` tells what stands behind it. */
  readonly pathPrefix?: string
}

export const answerText =
  (text: string, status = 200): RawHandler =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(text)
  }

export async function startRawBackend(portico: Pick<TestServer, 'pki'>, o: RawOptions = {}): Promise<RawBackend> {
  const seen: string[] = []
  const asked: string[] = []
  const sockets = new Set<Socket>()
  const group = o.anyGroup ?? RAW_GROUP
  const root = `/apis/${group}/v1`
  const names = o.resources ?? [o.anyGroup ? 'remotes' : 'things']
  const openapi = JSON.stringify(
    o.openapiV3 ?? {
      openapi: '3.0.0',
      info: { title: 'raw', version: 'v1' },
      paths: Object.fromEntries(
        names.flatMap((name, i) => [[`${root}/${name}`, {}], ...(i === 0 ? [[`${root}/${name}/{name}`, {}]] : [])]),
      ),
      components: { schemas: {} },
    },
  )
  const openapiV2 = o.openapiV2 && JSON.stringify(o.openapiV2)
  const discovery = JSON.stringify({
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: `${group}/v1`,
    resources: names.map((name) => ({
      name,
      singularName: '',
      namespaced: false,
      kind: name,
      verbs: ['get', 'list', 'watch'],
    })),
  })
  const backend = { handler: o.handler ?? answerText('{"kind":"Thing"}') }
  const listener: RawHandler = (request, response) => {
    response.on('error', () => {})
    asked.push(request.url)
    if (o.pathPrefix !== undefined) {
      if (!request.url.startsWith(`${o.pathPrefix}/`)) return answerText('{}', 404)(request, response)
      Object.assign(request, { url: request.url.slice(o.pathPrefix.length) })
    }
    if (request.url === '/readyz' && o.readyz) return o.readyz(request, response)
    if (o.openapi === 'hangs' && request.url.startsWith('/openapi/')) return
    if (o.openapi === false && request.url.startsWith('/openapi/')) return answerText('{}', 404)(request, response)
    if (request.url === root) return answerText(discovery)(request, response)
    if (request.url === '/openapi/v3')
      return answerText(
        JSON.stringify({
          paths: { [root.slice(1)]: { serverRelativeURL: `/openapi/v3${root}?hash=${names.join()}` } },
        }),
      )(request, response)
    if (request.url === '/openapi/v2' && openapiV2) return answerText(openapiV2)(request, response)
    if (request.url.startsWith('/openapi/v3/')) return answerText(openapi)(request, response)
    if (!request.url.startsWith(`${root}/`)) return answerText('{}', 404)(request, response)
    if (request.headers['user-agent'] === 'portico/identity-probe') return answerText('{}', 401)(request, response)
    seen.push(`${request.method} ${request.url}`)
    backend.handler(request, response)
  }
  const server = o.socketPath
    ? createServer((request, response) =>
        listener(Object.assign(request, { method: request.method ?? '', url: request.url ?? '' }), response),
      )
    : http2.createSecureServer(
        {
          ...(o.pair ?? portico.pki.servingFor(`raw-${o.host ?? ''}`, NAMES)),
          allowHTTP1: true,
          ALPNProtocols: o.http2 === false ? ['http/1.1'] : ['h2', 'http/1.1'],
          // As many groups as a user may have.
          maxHeaderListPairs: 5_000,
          ...HTTP1_LIMITS,
          maxSessionMemory: 1_000,
          settings: {
            maxHeaderListSize: 1_048_576,
            ...(o.maxStreams === undefined ? {} : { maxConcurrentStreams: o.maxStreams }),
          },
          ...(o.clientCA === undefined ? {} : { ca: o.clientCA, requestCert: true, rejectUnauthorized: true }),
        },
        listener,
      )
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(o.socketPath ? { path: o.socketPath } : { port: o.port ?? 0, host: o.host ?? '127.0.0.1' })
  await once(server, 'listening')
  let closed: Promise<void> | undefined
  const close = (): Promise<void> => {
    closed ??= (async () => {
      const ended = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await ended
    })()
    return closed
  }
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', () => {})
  })
  return Object.assign(backend, {
    cut,
    restart: async () => {
      const { port } = server.address() as AddressInfo
      const closed = once(server, 'close')
      server.close()
      for (const session of sessions) session.close()
      await closed
      server.listen({ port, host: o.host ?? '127.0.0.1' })
      await once(server, 'listening')
    },
    secure: (pair: { readonly cert: string; readonly key: string }) => {
      if ('setSecureContext' in server) server.setSecureContext(pair)
    },
    port: o.socketPath ? 0 : (server.address() as AddressInfo).port,
    address: o.host ?? '127.0.0.1',
    seen,
    asked,
    sockets,
    close,
    [Symbol.asyncDispose]: close,
  })
}

/** The APIService and the ConfigMap with our CA; its backends are the policy's. Resolves when it is available. */
export async function registerRaw(
  portico: TestServer,
  spec: Omit<BackendPolicySpec, 'targets'>,
  o: { wait?: boolean } = {},
): Promise<void> {
  await must(
    portico.admin.post('/api/v1/namespaces/default/configmaps', {
      metadata: { name: 'raw-ca' },
      data: { 'ca.crt': portico.pki.ca().cert },
    }),
  )
  await putPolicy(portico, spec)
  await must(
    portico.admin.post('/apis/apiregistration.k8s.io/v1/apiservices', {
      metadata: { name: RAW_API_SERVICE },
      spec: {
        group: RAW_GROUP,
        version: 'v1',
        service: { namespace: 'default', name: 'raw' },
        groupPriorityMinimum: 1000,
        versionPriority: 15,
      },
    }),
  )
  if (o.wait !== false) await untilCondition(portico, RAW_API_SERVICE, (c) => c?.status === 'True')
}
export const RAW_TLS = { ca: [{ configMap: { namespace: 'default', name: 'raw-ca' } }] }

/** Spec of a policy whose only backend has these endpoints. */
export const policyOf = (
  backends: readonly { readonly address: string; readonly port: number; readonly zone?: string }[],
  more: Omit<BackendPolicySpec, 'targets' | 'backends'> = {},
): Omit<BackendPolicySpec, 'targets'> => ({
  backends: [
    {
      name: 'default',
      endpoints: backends.map(({ address, port, zone = '' }) => ({ address, port, zone })),
      tls: RAW_TLS,
    },
  ],
  ...more,
})
export const namedBackend = (name: string, { address, port }: Pick<RawBackend, 'address' | 'port'>): PolicyBackend => ({
  name,
  endpoints: [{ address, port }],
  tls: RAW_TLS,
})
/** The causes of a Status, by their fields. */
export const causesOf = (answer: { json<T>(): T }): Record<string, string> =>
  Object.fromEntries(
    (answer.json<Status>().details?.causes ?? []).flatMap((c) => (c.field ? [[c.field, c.message ?? '']] : [])),
  )

export async function putPolicy(
  portico: TestServer,
  spec: Omit<BackendPolicySpec, 'targets'>,
  name = 'raw',
): Promise<void> {
  const path = '/apis/gateway.portico.dev/v1alpha1/backendpolicies'
  const object = { metadata: { name }, spec: { targets: [{ apiService: RAW_API_SERVICE }], ...spec } }
  const made = await portico.admin.post(path, object)
  if (made.status === 201) return
  if (made.status !== 409) throw new Error(made.text)
  for (;;) {
    const stored = (await portico.admin.get(`${path}/${name}`)).json<{ metadata: object }>()
    const answer = await portico.admin.put(`${path}/${name}`, { ...object, metadata: stored.metadata })
    if (answer.status === 200) return
    if (answer.status !== 409) throw new Error(answer.text)
  }
}

async function must(answer: Promise<{ status: number; text: string }>): Promise<void> {
  const { status, text } = await answer
  if (status !== 201 && status !== 409) throw new Error(text)
}

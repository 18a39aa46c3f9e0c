/** What most benchmarks stand on: a Portico, and behind it a backend of one or more endpoints. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type HttpClient, httpClient } from '../../test/harness/http-client.ts'
import {
  type Endpoint,
  ENDPOINT_GROUP,
  ENDPOINT_PATH,
  type EndpointOptions,
  putCertificates,
  startEndpoint,
} from './endpoint.ts'
import type { Identity } from './h2-client.ts'
import { registerBackend } from './register-backend.ts'
import { type ServerProcess, startServerProcess } from './server-process.ts'

export interface Stage extends AsyncDisposable {
  readonly server: ServerProcess
  readonly admin: HttpClient
  readonly endpoints: readonly Endpoint[]
  /** Of the endpoints: certificates and record. */
  readonly folder: string
  /** Where and as whom to ask. */
  readonly target: Identity & { readonly path: string }
}
export const ADDRESSES = ['127.0.0.1', '127.0.0.2', '127.0.0.3']

export async function setStage(o: {
  readonly endpoints: number
  readonly args?: (folder: string) => string[]
  readonly eventEveryMs?: number
  /** Of Portico. */
  readonly core?: number
  /** PEM of CAs besides Portico's own that its serving certificate may be of. */
  readonly trust?: string
}): Promise<Stage> {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'portico-bench-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const args = ['--storage-backend=memory', ...(o.args?.(folder) ?? [])]
  const server = stack.use(await startServerProcess(args, o.core === undefined ? {} : { core: o.core }))
  const { pki, port } = server
  putCertificates(folder, pki.servingFor('endpoint', ['localhost', ...ADDRESSES]))
  const endpoints: Endpoint[] = []
  for (const address of ADDRESSES.slice(0, o.endpoints)) {
    const options: EndpointOptions = { folder, address, eventEveryMs: o.eventEveryMs ?? 0 }
    endpoints.push(stack.use(await startEndpoint(options)))
  }
  const ca = pki.ca().cert
  const identity = { ca: (o.trust ?? '') + ca, ...pki.admin() }
  const admin = httpClient(`https://127.0.0.1:${port}`, identity)
  stack.defer(() => admin.close())
  await registerBackend(admin, { group: ENDPOINT_GROUP, at: endpoints, ca, path: ENDPOINT_PATH })
  const owned = stack.move()
  return {
    server,
    admin,
    endpoints,
    folder,
    target: { port, path: ENDPOINT_PATH, ...identity },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

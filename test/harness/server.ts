/** A Portico in this process, on ports the system gives, in a folder of its own. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { completeConfig } from '../../src/app/config/config.ts'
import { DataDir } from '../../src/app/files/data-dir.ts'
import { Pki } from '../../src/app/files/pki.ts'
import { readOptions } from '../../src/app/config/read-options.ts'
import { type PorticoServer, type StartServer, startServer } from '../../src/app/run/wire.ts'
import { type LogFields, noopLogger } from '../../src/observability/logger.ts'
import { createLogger } from '../../src/observability/pino-logger.ts'
import type { SystemLookup } from '../../src/proxy/reach/endpoint-source.ts'
import { deepFreeze } from './deep-freeze.ts'
import type { HeldClock } from './held-clock.ts'
import { type HttpClient, httpClient } from './http-client.ts'

export interface TestServer extends AsyncDisposable {
  readonly server: PorticoServer
  readonly url: string
  readonly insecureUrl: string | undefined
  readonly dataDir: string
  /** What the server itself logged as errors. */
  readonly errors: readonly string[]
  readonly kubeconfig: string
  readonly pki: Pki
  /** As system:masters. */
  readonly admin: HttpClient
  readonly anonymous: HttpClient
  /** With a client certificate of our CA. */
  as(commonName: string, ...organizations: string[]): HttpClient
  stop(): Promise<void>
}

/** @param args more flags. Storage is in memory unless they say otherwise. Resolves when it is ready. */
export async function startTestServer(
  args: readonly string[] = [],
  o: { dataDir?: string; clock?: HeldClock; lookup?: SystemLookup; servers?: StartServer['servers'] } = {},
): Promise<TestServer> {
  const folder = o.dataDir ?? (await mkdtemp(join(tmpdir(), 'portico-test-')))
  const given = (name: string): boolean => args.some((a) => a.startsWith(`--${name}`))
  const config = completeConfig(
    readOptions({
      args: [
        '--secure-port=0',
        '--bind-address=127.0.0.1',
        '--shutdown-watch-termination-grace-period=0s',
        '--apiservice-status-interval=100ms',
        `--data-dir=${folder}`,
        ...(given('storage-backend') || given('etcd-servers') ? [] : ['--storage-backend=memory']),
        ...args,
      ],
      env: {},
    }),
  )
  const log =
    process.env['PORTICO_TEST_LOG'] === undefined
      ? noopLogger
      : createLogger({ v: Number(process.env['PORTICO_TEST_LOG']) })
  const errors: string[] = []
  const listening = {
    ...log,
    error: (message: string, fields?: LogFields) => {
      errors.push(message)
      log.error(message, fields)
    },
  }
  const server = await startServer(config, {
    log: listening,
    onShared: deepFreeze,
    ...(o.clock && { clock: o.clock }),
    ...(o.lookup && { lookup: o.lookup }),
    ...(o.servers && { servers: o.servers }),
  })
  await server.ready
  const pki = new Pki(new DataDir(folder), () => Date.now())
  const url = `https://127.0.0.1:${server.port}`
  const clients: HttpClient[] = []
  const client = (identity?: { cert: string; key: string }): HttpClient => {
    const made = httpClient(url, { ca: pki.ca().cert, ...identity })
    clients.push(made)
    return made
  }
  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => {
    stopped ??= (async () => {
      // What stops waits for its timers, and so do requests that a test left behind.
      o.clock?.run()
      await Promise.all(clients.map((c) => c.close()))
      await server.stop()
      o.clock?.hold()
      if (o.dataDir === undefined) await rm(folder, { recursive: true, force: true })
    })()
    return stopped
  }
  return {
    server,
    url,
    insecureUrl: server.insecurePort === undefined ? undefined : `http://127.0.0.1:${server.insecurePort}`,
    dataDir: folder,
    errors,
    kubeconfig: join(folder, 'kubeconfig'),
    pki,
    admin: client(pki.admin()),
    anonymous: client(),
    as: (commonName, ...organizations) => client(pki.client({ commonName, organizations })),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** A Portico that stands for a whole cluster, and one in front of it. */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DataDir } from '../../src/app/files/data-dir.ts'
import { Pki } from '../../src/app/files/pki.ts'
import { type TestServer, startTestServer } from './server.ts'

export interface FrontedPair extends AsyncDisposable {
  cluster: TestServer
  front: TestServer
  /** After cluster.stop(): the same again, with what it stored. */
  restartCluster(): Promise<void>
  /** After front.stop(). Resolves when it is ready. */
  restartFront(): Promise<void>
}
export interface FrontedPairOptions {
  readonly clusterArgs?: readonly string[]
  /** Kubeconfigs of the cluster: its administrator's, and its address alone. */
  readonly frontArgs: (cluster: {
    admin: string
    address: string
    /** Writes one. @returns its path. */
    file: (name: string, text: string) => string
  }) => readonly string[]
}

const TOKENS = 'jane-token,jane,7,dev\n'

/** The cluster believes the front's front-proxy certificate, and knows the token of jane. */
export async function startFrontedPair(o: FrontedPairOptions): Promise<FrontedPair> {
  const folder = mkdtempSync(join(tmpdir(), 'portico-fronted-'))
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const frontDir = join(folder, 'front')
  const frontProxyCA = new Pki(new DataDir(frontDir), () => Date.now()).frontProxyCA().cert
  const clusterArgs = [
    `--requestheader-client-ca-file=${file('front-proxy-ca.crt', frontProxyCA)}`,
    `--token-auth-file=${file('tokens.csv', TOKENS)}`,
    '--storage-backend=embedded',
    ...(o.clusterArgs ?? []),
  ]
  const dataDir = join(folder, 'cluster')
  const cluster = await startTestServer(clusterArgs, { dataDir })
  const address = file('address.kubeconfig', addressOnly(cluster.url, cluster.pki.ca().cert))
  const args = o.frontArgs({ admin: cluster.kubeconfig, address, file })
  const front = await startTestServer(args, { dataDir: frontDir })
  const pair: FrontedPair = {
    cluster,
    front,
    restartCluster: async () => {
      pair.cluster = await startTestServer(clusterArgs, { dataDir })
    },
    restartFront: async () => {
      pair.front = await startTestServer(args, { dataDir: frontDir })
    },
    [Symbol.asyncDispose]: async () => {
      await pair.front.stop()
      await pair.cluster.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
  return pair
}

export function addressOnly(server: string, ca: string): string {
  const cluster = { server, 'certificate-authority-data': Buffer.from(ca).toString('base64') }
  return JSON.stringify({ clusters: [{ name: 'cluster', cluster }] })
}

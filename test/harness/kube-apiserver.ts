/**
 * A real etcd and kube-apiserver, from the folder that REFERENCE_BUILD names (`bin/etcd`, `bin/kube-apiserver`), with
 * certificates made here, on free ports of 127.0.0.1.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type KeyPair, makeCA, makeCertificate, servingNames } from '../../src/http/certificates.ts'
import { type HttpClient, httpClient } from './http-client.ts'
import { freePort } from './prometheus.ts'
import { until } from './until.ts'

/** A reason to skip. */
export function kubeApiserverMissing(): string | false {
  return process.env['REFERENCE_BUILD'] ? false : 'REFERENCE_BUILD names no folder with bin/kube-apiserver and bin/etcd'
}

export interface KubeApiserver extends AsyncDisposable {
  readonly url: string
  readonly ca: string
  readonly frontProxyCA: KeyPair
  readonly admin: HttpClient
  client(commonName: string, ...organizations: string[]): KeyPair
  /** Files that a front is given. */
  readonly files: {
    readonly adminKubeconfig: string
    readonly clientCA: string
    /** Writes one. @returns its path. */
    write(name: string, text: string): string
  }
  stop(): Promise<void>
  start(): Promise<void>
}

const day = 86_400_000

/** Resolves when it is ready. */
export async function startKubeApiserver(): Promise<KubeApiserver> {
  const bin = join(process.env['REFERENCE_BUILD']!, 'bin')
  const folder = mkdtempSync(join(tmpdir(), 'portico-kube-'))
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text, { mode: 0o600 })
    return join(folder, name)
  }
  const times = { notBeforeMs: Date.now() - day, notAfterMs: Date.now() + day }
  const ca = makeCA({ commonName: 'kubernetes', ...times })
  const frontProxyCA = makeCA({ commonName: 'front-proxy', ...times })
  const client = (commonName: string, ...organizations: string[]): KeyPair =>
    makeCertificate({ commonName, organizations, usages: ['client'], ...times }, ca)
  const serving = makeCertificate(
    { commonName: 'kube-apiserver', names: servingNames('localhost'), usages: ['server'], ...times },
    ca,
  )
  const accounts = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const privateKey = accounts.privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()
  const publicKey = accounts.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const [port, etcdPort, peerPort] = [await freePort(), await freePort(), await freePort()]
  const url = `https://127.0.0.1:${port}`
  const admin = client('kubernetes-admin', 'system:masters')
  const clientCA = write('ca.crt', ca.cert)
  const args = [
    '--bind-address=127.0.0.1',
    `--secure-port=${port}`,
    '--advertise-address=10.0.0.1',
    '--endpoint-reconciler-type=none',
    `--etcd-servers=http://127.0.0.1:${etcdPort}`,
    `--tls-cert-file=${write('serving.crt', serving.cert)}`,
    `--tls-private-key-file=${write('serving.key', serving.key)}`,
    `--client-ca-file=${clientCA}`,
    `--requestheader-client-ca-file=${write('front-proxy-ca.crt', frontProxyCA.cert)}`,
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    '--requestheader-uid-headers=X-Remote-Uid',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${write('sa.pub', publicKey)}`,
    `--service-account-signing-key-file=${write('sa.key', privateKey)}`,
    '--authorization-mode=Node,RBAC',
    '--service-cluster-ip-range=10.96.0.0/16',
  ]
  const run = (program: string, given: readonly string[]): ChildProcess => {
    const log = openSync(join(folder, `${program}.log`), 'a')
    return spawn(join(bin, program), given, { stdio: ['ignore', log, log] })
  }
  const etcd = run('etcd', [
    `--data-dir=${join(folder, 'etcd')}`,
    '--log-level=warn',
    `--listen-client-urls=http://127.0.0.1:${etcdPort}`,
    `--advertise-client-urls=http://127.0.0.1:${etcdPort}`,
    `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peerPort}`,
    `--initial-cluster=default=http://127.0.0.1:${peerPort}`,
  ])
  const http = httpClient(url, { ca: ca.cert, ...admin })
  let server: ChildProcess | undefined
  const kube: KubeApiserver = {
    url,
    ca: ca.cert,
    frontProxyCA,
    admin: http,
    client,
    files: { clientCA, write, adminKubeconfig: write('admin.kubeconfig', kubeconfigOf(url, ca.cert, admin)) },
    start: async () => {
      server = run('kube-apiserver', args)
      const log = (): string => readFileSync(join(folder, 'kube-apiserver.log'), 'utf8').slice(-2_000)
      await until(
        'kube-apiserver is ready',
        () =>
          http.get('/readyz').then(
            (a) => a.status === 200,
            () => false,
          ),
        60_000,
      ).catch((e: Error) => Promise.reject(new Error(`${e.message}: ${log()}`)))
    },
    stop: () => ended(server),
    [Symbol.asyncDispose]: async () => {
      await http.close()
      await ended(server)
      await ended(etcd)
      await rm(folder, { recursive: true, force: true })
    },
  }
  await kube.start()
  return kube
}

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** With a client certificate, or a token. */
export function kubeconfigOf(server: string, ca: string, user: KeyPair | { readonly token: string }): string {
  const base64 = (text: string): string => Buffer.from(text).toString('base64')
  const credentials =
    'token' in user ? user : { 'client-certificate-data': base64(user.cert), 'client-key-data': base64(user.key) }
  return JSON.stringify({
    clusters: [{ name: 'cluster', cluster: { server, 'certificate-authority-data': base64(ca) } }],
    users: [{ name: 'user', user: credentials }],
    contexts: [{ name: 'main', context: { cluster: 'cluster', user: 'user' } }],
    'current-context': 'main',
  })
}

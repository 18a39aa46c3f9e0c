/**
 * Real etcd members for tests, on free ports of 127.0.0.1 and in temporary folders.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type EtcdConnection, EtcdClients } from '../../src/storage/etcd/etcd-clients.ts'
import { isProved } from '../../src/storage/etcd/progress-support.ts'

/** A reason to skip, where etcd is not installed; with CI set there is none, so that the tests fail. */
export function etcdMissing(): string | false {
  try {
    execFileSync('etcd', ['--version'], { stdio: 'ignore' })
    return false
  } catch {
    return process.env['CI'] ? false : 'etcd is not installed: apt-get install etcd-server etcd-client'
  }
}

/** A reason to skip where etcd is missing, or is one that cannot tell how far a watch has come. */
export function provingEtcdMissing(): string | false {
  const missing = etcdMissing()
  if (missing !== false) return missing
  const version = /etcd Version: (\S+)/.exec(execFileSync('etcd', ['--version']).toString())![1]!
  return isProved(version) ? false : `etcd ${version} cannot tell how far a watch has come: 3.4.31, 3.5.13 or later`
}

export interface EtcdTls {
  readonly cafile: string
  readonly certfile: string
  readonly keyfile: string
}
export interface EtcdMember {
  readonly url: string
  /** With SIGKILL. */
  kill(): Promise<void>
  /** Again, with the same data. */
  start(): Promise<void>
}
export interface EtcdCluster extends AsyncDisposable {
  readonly members: readonly EtcdMember[]
  readonly connection: EtcdConnection
}

/** @param o.client what connection presents; default the members' own. */
export async function startEtcd(o: { members?: number; tls?: EtcdTls; client?: EtcdTls } = {}): Promise<EtcdCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'portico-etcd-'))
  const ports = await freePorts((o.members ?? 1) * 2)
  const scheme = o.tls ? 'https' : 'http'
  const names = Array.from({ length: o.members ?? 1 }, (_, i) => `m${i}`)
  const peers = names.map((name, i) => `${name}=http://127.0.0.1:${ports[i * 2 + 1]}`).join(',')
  const members = names.map((name, i) => {
    const url = `${scheme}://127.0.0.1:${ports[i * 2]}`
    const peer = `http://127.0.0.1:${ports[i * 2 + 1]}`
    const args = ['--name', name, '--data-dir', join(folder, name), '--log-level', 'error', '--logger', 'zap']
    args.push('--listen-client-urls', url, '--advertise-client-urls', url, '--listen-peer-urls', peer)
    args.push('--initial-advertise-peer-urls', peer, '--initial-cluster', peers)
    if (o.tls) {
      args.push('--cert-file', o.tls.certfile, '--key-file', o.tls.keyfile)
      args.push('--trusted-ca-file', o.tls.cafile, '--client-cert-auth')
    }
    return member(url, args)
  })
  const connection = { servers: members.map((m) => m.url), ...(o.client ?? o.tls) }
  await Promise.all(members.map((m) => m.start()))
  await untilServing(connection)
  return {
    members,
    connection,
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map((m) => m.kill()))
      await rm(folder, { recursive: true, force: true })
    },
  }
}

function member(url: string, args: readonly string[]): EtcdMember {
  let child: ChildProcess | undefined
  return {
    url,
    async start() {
      child = spawn('etcd', args, { stdio: ['ignore', 'ignore', 'inherit'] })
      await once(child, 'spawn')
    },
    async kill() {
      if (!child || child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** Resolves when a linearizable read is answered: there is a leader. */
export async function untilServing(connection: EtcdConnection): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    const clients = new EtcdClients({ ...connection, timeoutMs: 1000 })
    try {
      await clients.call((c, o) => c.kv.range({ key: Buffer.from('x') }, o))
      return
    } catch {
      await setTimeout(50)
    } finally {
      clients.close()
    }
  }
  throw new Error('etcd does not serve')
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((s) => (s.address() as { port: number }).port)
  await Promise.all(servers.map((s) => new Promise((resolve) => s.close(resolve))))
  return ports
}

/** nginx as a backend and as the proxy to compare with: one worker each, TLS on both sides. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { cpuSeconds, rssMiB } from './server-process.ts'

export interface Nginx extends AsyncDisposable {
  readonly port: number
  cpuSeconds(): number
  rssMiB(): number
}

/**
 * @param server what stands inside `http {}` beside the TLS settings; PORT and CERTS are replaced.
 * @param before a command that runs it, such as one that sets its priority.
 */
export async function startNginx(
  folder: string,
  name: string,
  server: string,
  core: number,
  before: readonly string[] = [],
): Promise<Nginx> {
  const port = await freePort()
  const own = join(folder, name)
  mkdirSync(own)
  const http = server.replaceAll('PORT', String(port)).replaceAll('CERTS', folder)
  const text = `daemon off; worker_processes 1; pid ${own}/pid; error_log ${own}/error.log; worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 100000000; ssl_session_tickets off;
  client_body_temp_path ${own}/a; proxy_temp_path ${own}/b; fastcgi_temp_path ${own}/c; uwsgi_temp_path ${own}/d; scgi_temp_path ${own}/e;
  ssl_certificate ${folder}/server.crt; ssl_certificate_key ${folder}/server.key;
${http}
}`
  writeFileSync(join(own, 'nginx.conf'), text)
  const nginx = ['nginx', '-c', join(own, 'nginx.conf'), '-e', join(own, 'error.log')]
  const command = [...before, 'taskset', '-c', String(core), ...nginx]
  const child = spawn(command[0]!, command.slice(1), { stdio: 'inherit' })
  await untilOpen(port, child)
  const pids = [child.pid!, ...childrenOf(child.pid!)]
  return {
    port,
    cpuSeconds: () => pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0),
    rssMiB: () => pids.reduce((sum, pid) => sum + rssMiB(pid), 0),
    [Symbol.asyncDispose]: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
    },
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
async function untilOpen(port: number, child: ChildProcess): Promise<void> {
  for (let i = 0; i < 100; i++) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`)
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('nginx does not listen')
}
function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  )
}

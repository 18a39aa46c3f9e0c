/** A raw backend in a process of its own, to be stopped, continued and killed. Run as a script it is that process. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import http2, { type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestServer } from './server.ts'

export interface ChildBackend extends AsyncDisposable {
  readonly address: string
  readonly port: number
  readonly process: ChildProcess
}

export async function startChildBackend(
  portico: Pick<TestServer, 'pki'>,
  o: { host: string; protocol: string; port?: number },
): Promise<ChildBackend> {
  const folder = await mkdtemp(join(tmpdir(), 'portico-child-'))
  const pair = portico.pki.servingFor('raw', ['localhost', o.host])
  await writeFile(join(folder, 'tls.crt'), pair.cert)
  await writeFile(join(folder, 'tls.key'), pair.key)
  const args = [import.meta.filename, folder, o.host, o.protocol, String(o.port ?? 0)]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return {
    address: o.host,
    port: Number(line.toString()),
    process: child,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit')
        child.kill('SIGKILL')
        await ended
      }
      await rm(folder, { recursive: true })
    },
  }
}

function serve(folder: string, host: string, protocol: string, port: number): void {
  const tls = { cert: readFileSync(join(folder, 'tls.crt')), key: readFileSync(join(folder, 'tls.key')) }
  const discovery = {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: 'raw.example.com/v1',
    resources: [
      { name: 'things', singularName: '', namespaced: false, kind: 'Thing', verbs: ['get', 'list', 'watch'] },
    ],
  }
  const answer = (url: string, response: Http2ServerResponse | ServerResponse): void => {
    response.setHeader('content-type', 'application/json')
    if (url.includes('watch=')) {
      ;(response as ServerResponse).write('{"type":"BOOKMARK","object":{"kind":"Thing"}}\n')
      return
    }
    response.end(JSON.stringify(url === '/apis/raw.example.com/v1' ? discovery : { kind: 'Thing', host }))
  }
  const server =
    protocol === 'h2'
      ? http2.createSecureServer(tls, (q: Http2ServerRequest, r: Http2ServerResponse) => answer(q.url, r))
      : https.createServer(tls, (q, r) => answer(q.url ?? '', r))
  server.listen(port, host, () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
  // Politely: what runs is finished, nothing new is taken.
  process.on('SIGTERM', () => server.close(() => process.exit(0)))
}

if (process.argv[1] === import.meta.filename) {
  const [folder, host, protocol, port] = process.argv.slice(2) as [string, string, string, string]
  serve(folder, host, protocol, Number(port))
}

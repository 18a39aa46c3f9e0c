/**
 * An endpoint of a backend: HTTP/2 in a process of its own, that writes down what it is asked, a line each. Endpoints
 * that share a folder share certificates and the record. Run as a script it is that process.
 *
 * SIGTERM: what runs is finished, nothing new is taken. SIGHUP: certificates are read again. SIGUSR2: connections break.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs'
import http2, { type SecureServerOptions, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { KeyPair } from '../../src/http/certificates.ts'

export interface Endpoint extends AsyncDisposable {
  readonly address: string
  readonly port: number
  readonly process: ChildProcess
  end(signal: NodeJS.Signals): Promise<void>
}
export interface EndpointOptions {
  /** With the files of `putCertificates`. */
  readonly folder: string
  /** Default 127.0.0.1 */
  readonly address?: string
  readonly port?: number
  /** Each watch gets an event once in this time. Default: never. */
  readonly eventEveryMs?: number
  /** What starts it elsewhere: `ip netns exec <name>`. */
  readonly by?: readonly string[]
}
export const ENDPOINT_GROUP = 'endpoint.example.com'
export const ENDPOINT_PATH = `/apis/${ENDPOINT_GROUP}/v1/things`

const EVENT = '{"type":"BOOKMARK","object":{"kind":"Thing","apiVersion":"endpoint.example.com/v1","metadata":{}}}\n'
/** What Go's servers allow. */
const STREAMS_PER_CONNECTION = 250
const SLICE_MS = 20

/** @param clientCA of those who may ask; absent: anybody. */
export function putCertificates(folder: string, pair: KeyPair, clientCA = ''): void {
  writeFileSync(join(folder, 'server.crt'), pair.cert)
  writeFileSync(join(folder, 'server.key'), pair.key)
  writeFileSync(join(folder, 'client-ca.crt'), clientCA)
}

export async function startEndpoint(o: EndpointOptions): Promise<Endpoint> {
  const { folder, address = '127.0.0.1', port = 0, eventEveryMs = 0, by = [] } = o
  const script = [process.execPath, import.meta.filename, folder, address, String(port), String(eventEveryMs)]
  const command = [...by, ...script]
  const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }
  return {
    address,
    port: Number(line.toString()),
    process: child,
    end,
    [Symbol.asyncDispose]: () => end('SIGKILL'),
  }
}

/** What was asked of whom: `127.0.0.1 GET`, `127.0.0.1 WATCH` or `127.0.0.1 POST <body>`. */
export function recordOf(folder: string): string[] {
  return readFileSync(join(folder, 'record'), 'utf8').split('\n').slice(0, -1)
}

function serve(folder: string, address: string, port: number, eventEveryMs: number): void {
  const record = openSync(join(folder, 'record'), 'a')
  const server = http2.createSecureServer({
    ...secrets(folder),
    settings: { maxConcurrentStreams: STREAMS_PER_CONNECTION },
  })
  const sessions = new Set<ServerHttp2Session>()
  const watches = new Set<ServerHttp2Stream>()
  server.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => {})
    session.on('close', () => sessions.delete(session))
  })
  const note = (what: string): void => void writeSync(record, `${address} ${what}\n`)
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    const path = headers[':path']!
    if (!path.startsWith(ENDPOINT_PATH)) return answer(stream, discovery())
    if (path.includes('watch=')) {
      note('WATCH')
      watches.add(stream)
      stream.on('close', () => watches.delete(stream))
      stream.respond({ ':status': 200, 'content-type': 'application/json' })
      return void stream.write(EVENT)
    }
    let body = ''
    stream.on('data', (chunk: Buffer) => (body += chunk.toString()))
    stream.on('end', () => {
      note(`${headers[':method']} ${body}`.trimEnd())
      answer(stream, { kind: 'Thing', address })
    })
  })
  if (eventEveryMs > 0) setInterval(() => tell(watches, SLICE_MS / eventEveryMs), SLICE_MS)
  process.on('SIGHUP', () => server.setSecureContext(secrets(folder)))
  process.on('SIGUSR2', () => {
    for (const session of sessions) session.destroy()
  })
  process.on('SIGTERM', () => {
    server.close(() => process.exit(0))
    for (const session of sessions) session.close()
  })
  server.listen(port, address, () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
}
/** Those whose turn it is go to the end of the row. */
function tell(watches: Set<ServerHttp2Stream>, share: number): void {
  const due = [...watches.values().take(Math.round(watches.size * share))]
  for (const stream of due) {
    watches.delete(stream)
    watches.add(stream)
    stream.write(EVENT)
  }
}
function secrets(
  folder: string,
): Pick<SecureServerOptions, 'cert' | 'key' | 'ca' | 'requestCert' | 'rejectUnauthorized'> {
  const [cert, key, ca] = ['server.crt', 'server.key', 'client-ca.crt'].map((f) =>
    readFileSync(join(folder, f), 'utf8'),
  )
  return { cert: cert!, key: key!, ...(ca === '' ? {} : { ca: ca!, requestCert: true, rejectUnauthorized: true }) }
}
function answer(stream: ServerHttp2Stream, body: object): void {
  stream.respond({ ':status': 200, 'content-type': 'application/json' })
  stream.end(JSON.stringify(body))
}
function discovery(): object {
  const verbs = ['get', 'list', 'watch', 'create']
  const things = { name: 'things', singularName: '', namespaced: false, kind: 'Thing', verbs }
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: `${ENDPOINT_GROUP}/v1`, resources: [things] }
}

if (process.argv[1] === import.meta.filename) {
  const [folder, address, port, eventEveryMs] = process.argv.slice(2) as [string, string, string, string]
  serve(folder, address, Number(port), Number(eventEveryMs))
}

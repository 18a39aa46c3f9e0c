/** An API server without content that records who was said to call: how a fronted cluster sees requests. */
import { createHash } from 'node:crypto'
import { createServer } from 'node:https'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { KeyPair } from '../../src/http/certificates.ts'

export interface SeenCall {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** Of the client certificate; empty where none was shown. */
  readonly certificate: string
}
export interface RecordingCluster extends AsyncDisposable {
  readonly url: string
  readonly seen: readonly SeenCall[]
}

const DISCOVERY = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

/**
 * @param pathPrefix what its URL has in front of each path.
 * @param o.switches whether it takes upgrades, and sends back what comes over them.
 */
export async function startRecordingCluster(
  pair: KeyPair,
  pathPrefix = '',
  o: { readonly switches?: boolean } = {},
): Promise<RecordingCluster> {
  const seen: SeenCall[] = []
  const record = (req: IncomingMessage): string => {
    const certificate = (req.socket as TLSSocket).getPeerCertificate().subject?.CN ?? ''
    const [path = ''] = req.url!.split('?')
    seen.push({ path, headers: req.headers, certificate: String(certificate) })
    return path
  }
  const server = createServer({ ...pair, requestCert: true, rejectUnauthorized: false }, (req, res) => {
    const path = record(req)
    const isRoot = path === `${pathPrefix}/api` || path === `${pathPrefix}/apis`
    if (!path.startsWith(`${pathPrefix}/`) || path.includes('/openapi/')) return void res.writeHead(404).end()
    res.writeHead(200, { 'content-type': isRoot ? DISCOVERY : 'application/json' })
    if (isRoot) res.end(JSON.stringify({ kind: 'APIGroupDiscoveryList', items: [] }))
    else if (req.url!.includes('watch=')) res.flushHeaders()
    else res.end(JSON.stringify({ kind: 'List', apiVersion: 'v1', metadata: { resourceVersion: '1' }, items: [] }))
  })
  if (o.switches === true)
    server.on('upgrade', (req, socket) => {
      record(req)
      socket.on('error', () => {})
      const { upgrade, 'sec-websocket-key': key } = req.headers
      const accept = key === undefined ? '' : `Sec-WebSocket-Accept: ${acceptOf(key)}\r\n`
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${upgrade}\r\n${accept}\r\n`)
      socket.pipe(socket)
    })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    url: `https://127.0.0.1:${port}${pathPrefix}`,
    seen,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** Source: RFC 6455 section 4.2.2. */
const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

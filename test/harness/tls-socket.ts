import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import type { TestServer } from './server.ts'

/** A connection of the administrator, for bytes that no client library would send. Its errors are its end. */
export async function openTls({ pki, server }: TestServer, protocol: 'http/1.1' | 'h2'): Promise<TLSSocket> {
  const { cert, key } = pki.admin()
  const socket = connect({
    port: server.port,
    host: 'localhost',
    ca: pki.ca().cert,
    cert,
    key,
    ALPNProtocols: [protocol],
  })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  return socket
}

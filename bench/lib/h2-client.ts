/** Requests over a few HTTP/2 connections. */
import { once } from 'node:events'
import http2 from 'node:http2'

export interface Identity {
  readonly port: number
  readonly ca: string | string[]
  readonly cert: string
  readonly key: string
}
export interface H2Client extends Disposable {
  send(method: 'GET' | 'POST', path: string, body?: string): Promise<{ status: number; text: string }>
  /** Later requests go over new connections; what runs on the old ones is finished there. */
  renew(identity: Identity): Promise<void>
}

export async function h2Client(identity: Identity, connections = 4): Promise<H2Client> {
  const connect = (to: Identity): Promise<http2.ClientHttp2Session[]> =>
    Promise.all(Array.from({ length: connections }, () => connectH2(to)))
  let sessions = await connect(identity)
  let next = 0
  return {
    send: async (method, path, body) => {
      const stream = sessions[next++ % connections]!.request({ ':method': method, ':path': path })
      let [status, text] = [0, '']
      stream.setEncoding('utf8')
      stream.on('response', (headers) => (status = headers[':status']!))
      stream.on('data', (chunk: string) => (text += chunk))
      stream.end(body)
      await once(stream, 'end')
      return { status, text }
    },
    renew: async (to) => {
      const old = sessions
      sessions = await connect(to)
      for (const session of old) session.close()
    },
    [Symbol.dispose]: () => {
      for (const session of sessions) session.destroy()
    },
  }
}

/** A connection that knows how many streams it may open. */
export async function connectH2({ port, ca, cert, key }: Identity): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(`https://127.0.0.1:${port}`, { ca, cert, key })
  await once(session, 'remoteSettings')
  session.on('error', () => {})
  return session
}

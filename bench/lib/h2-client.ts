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
  const running = new Set<Promise<unknown>>()
  return {
    send: (method, path, body) => {
      const answer = ask(sessions[next++ % connections]!, { ':method': method, ':path': path }, body)
      const over = answer.catch(() => {}).finally(() => running.delete(over))
      running.add(over)
      return answer
    },
    renew: async (to) => {
      const old = sessions
      sessions = await connect(to)
      // Not close(): it refuses what was asked for a moment ago.
      void Promise.all(running).then(() => old.forEach((session) => session.destroy()))
    },
    [Symbol.dispose]: () => {
      for (const session of sessions) session.destroy()
    },
  }
}

async function ask(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body: string | undefined,
): Promise<{ status: number; text: string }> {
  const stream = session.request(headers)
  let [status, text] = [0, '']
  stream.setEncoding('utf8')
  stream.on('response', (answer) => (status = answer[':status']!))
  stream.on('data', (chunk: string) => (text += chunk))
  stream.end(body)
  await once(stream, 'end')
  if (status === 0) throw new Error(`stream closed with code ${stream.rstCode}`)
  return { status, text }
}

/** A connection that knows how many streams it may open. */
export async function connectH2({ port, ca, cert, key }: Identity): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(`https://127.0.0.1:${port}`, { ca, cert, key })
  await once(session, 'remoteSettings')
  session.on('error', () => {})
  return session
}

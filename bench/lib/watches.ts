/** Watches over HTTP/2, many to a connection, and how each of them ends. */
import { once } from 'node:events'
import type { ClientHttp2Session, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2'
import { connectH2, type Identity } from './h2-client.ts'

export interface Watches extends Disposable {
  /** In the order they ended. */
  readonly ends: readonly { readonly atMs: number; readonly whole: boolean }[]
}
const STREAMS = 200

/** Resolves when each has had its first event. */
export async function openWatches(o: Identity & { readonly path: string }, count: number): Promise<Watches> {
  const sessions: ClientHttp2Session[] = []
  const ends: { atMs: number; whole: boolean }[] = []
  for (let opened = 0; opened < count; opened += STREAMS) {
    const session = await connectH2(o)
    sessions.push(session)
    const streams = Array.from({ length: Math.min(STREAMS, count - opened) }, async () => {
      const stream = session.request({ ':path': `${o.path}?watch=1` })
      stream.on('error', () => {})
      let last = 0
      stream.on('data', (chunk: Buffer) => (last = chunk.at(-1)!))
      stream.on('close', () => {
        const whole = stream.rstCode === 0 && String.fromCharCode(last) === '\n'
        ends.push({ atMs: performance.now(), whole })
      })
      const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders & IncomingHttpStatusHeader]
      if (headers[':status'] !== 200) throw new Error(`status ${headers[':status']}`)
      if (last === 0) await once(stream, 'data')
    })
    await Promise.all(streams)
  }
  return {
    ends,
    [Symbol.dispose]: () => {
      for (const session of sessions) session.destroy()
    },
  }
}

import { type StatusError, badRequest, requestEntityTooLarge } from '../api/status-error.ts'
import type { RequestContext } from '../http/request-context.ts'

/** The largest body of an object or a patch: 3 MiB, as kube-apiserver's. */
export const MAX_BODY_BYTES = 3 * 1024 * 1024

/** @throws StatusError 413 as soon as the limit is passed, 400 when the client breaks off. */
export function readBody(ctx: RequestContext, limit = MAX_BODY_BYTES): Promise<Uint8Array> {
  const { exchange } = ctx
  if (!exchange.hasBody) return Promise.resolve(new Uint8Array(0))
  const tooLarge = (): StatusError => requestEntityTooLarge(`limit is ${limit}`)
  if (Number(exchange.headers.get('content-length') ?? 0) > limit) return Promise.reject(tooLarge())
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const body = exchange.body()
    body.on('data', (chunk: Buffer) => {
      size += chunk.byteLength
      if (size > limit) {
        chunks.length = 0
        body.pause()
        reject(tooLarge())
      } else chunks.push(chunk)
    })
    body.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
    body.on('error', (e) => reject(badRequest(`the body could not be read: ${e.message}`, e)))
    body.on('close', () => {
      if (!body.readableEnded) reject(badRequest('the body was cut off'))
    })
  })
}

/** A document kept ready to be sent: its encodings, its gzip and its ETag, made once per content. */
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import type { RequestContext } from '../http/request-context.ts'
import { GZIP_FROM_BYTES, acceptsGzip } from './write-object.ts'

const gzipAsync = promisify(gzip)

export class Document {
  readonly bytes: Uint8Array
  readonly contentType: string
  /** Quoted upper-case hex of the SHA-512. */
  readonly etag: string
  #gzipped: Promise<Uint8Array> | undefined

  /** @param etag of the content where it is not that of these bytes: other encodings share the JSON's. */
  constructor(bytes: Uint8Array, contentType: string, etag?: string) {
    this.bytes = bytes
    this.contentType = contentType
    this.etag = etag ?? etagOf(bytes)
  }
  gzipped(): Promise<Uint8Array> {
    this.#gzipped ??= gzipAsync(this.bytes, { level: constants.Z_BEST_SPEED })
    return this.#gzipped
  }
}

export function etagOf(bytes: Uint8Array): string {
  return `"${createHash('sha512').update(bytes).digest('hex').toUpperCase()}"`
}

/** Answers 304 where the client has it. If-None-Match is compared as a plain string, as kube-apiserver does. */
export function sendDocument(
  ctx: RequestContext,
  document: Document,
  headers: readonly string[],
): void | Promise<void> {
  const { exchange } = ctx
  const common = ['Etag', document.etag, 'Vary', 'Accept', ...headers]
  if (exchange.headers.get('if-none-match') === document.etag) return ctx.answer(304, common)
  const head = exchange.method === 'HEAD'
  if (document.bytes.byteLength <= GZIP_FROM_BYTES || !acceptsGzip(ctx)) {
    return ctx.answer(
      200,
      ['Content-Type', document.contentType, ...common, 'Content-Length', String(document.bytes.byteLength)],
      head ? undefined : document.bytes,
    )
  }
  return document.gzipped().then((body) => {
    if (exchange.phase !== 'waiting') return
    ctx.answer(
      200,
      [
        'Content-Type',
        document.contentType,
        ...common,
        'Content-Encoding',
        'gzip',
        'Vary',
        'Accept-Encoding',
        'Content-Length',
        String(body.byteLength),
      ],
      head ? undefined : body,
    )
  })
}

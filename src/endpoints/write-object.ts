/** Sends one object, in the encoding that was negotiated; large ones gzipped where the client takes it. */
import { promisify } from 'node:util'
import { constants, gzip } from 'node:zlib'
import { encodeJson, encodeYaml } from '../api/codec/codec.ts'
import { INLINE_YAML_BYTES } from '../api/codec/yaml-reader.ts'
import { YamlBusyError, type YamlThread } from '../api/codec/yaml-thread.ts'
import { tooManyRequests } from '../api/status-error.ts'
import { wrapProtobuf } from '../api/codec/protobuf-envelope.ts'
import { MEDIA_TYPES, type Negotiated } from '../http/negotiation.ts'
import type { RequestContext } from '../http/request-context.ts'

const gzipAsync = promisify(gzip)
/** Smaller answers are not worth the CPU: 128 KiB, as kube-apiserver's. */
export const GZIP_FROM_BYTES = 128 * 1024

export interface Written {
  readonly yaml: YamlThread
  /** Its protobuf message without the envelope. Absent: protobuf was not offered. */
  readonly message?: (object: object) => Uint8Array
}

/** An object with its kind and apiVersion set, as bytes. Compact JSON ends with a newline, pretty JSON does not. */
export function encodeObject(object: object, form: Negotiated, message: Written['message']): Uint8Array {
  if (form.encoding === 'protobuf') {
    if (!message) throw new Error('there is no protobuf form of it')
    const { kind = '', apiVersion = '' } = object as { kind?: string; apiVersion?: string }
    return wrapProtobuf({ apiVersion, kind, raw: message(object) })
  }
  if (form.encoding === 'yaml') return Buffer.from(encodeYaml(object))
  return Buffer.from(form.pretty ? encodeJson(object, { pretty: true }) : `${encodeJson(object)}\n`)
}

export async function writeObject(
  ctx: RequestContext,
  code: number,
  object: object,
  form: Negotiated,
  written: Written,
): Promise<void> {
  const yaml = form.encoding === 'yaml' ? await largeYaml(object, written.yaml) : undefined
  await writeBytes(ctx, code, yaml ?? encodeObject(object, form, written.message), MEDIA_TYPES[form.encoding])
}

/** @returns undefined for an object that is small enough to be written here. @throws StatusError 429. */
async function largeYaml(object: object, yaml: YamlThread): Promise<Uint8Array | undefined> {
  const json = encodeJson(object)
  if (json.length <= INLINE_YAML_BYTES) return undefined
  try {
    return Buffer.from(await yaml.write(json))
  } catch (e) {
    throw e instanceof YamlBusyError ? tooManyRequests(e.message, 1) : e
  }
}

export async function writeBytes(
  ctx: RequestContext,
  code: number,
  body: Uint8Array,
  contentType: string,
  headers: readonly string[] = [],
): Promise<void> {
  let out = body
  const encoding: string[] = []
  if (body.byteLength > GZIP_FROM_BYTES && acceptsGzip(ctx)) {
    out = await gzipAsync(body, { level: constants.Z_BEST_SPEED })
    encoding.push('Content-Encoding', 'gzip', 'Vary', 'Accept-Encoding')
  }
  if (ctx.exchange.phase !== 'waiting') return
  ctx.answer(
    code,
    ['Content-Type', contentType, ...headers, ...encoding, 'Content-Length', String(out.byteLength)],
    ctx.exchange.method === 'HEAD' ? undefined : out,
  )
}

/** The token alone, without a q value, as kube-apiserver reads it. */
export function acceptsGzip(ctx: RequestContext): boolean {
  return ctx.exchange.headers.all('accept-encoding').some((h) => h.split(',').some((t) => t.trim() === 'gzip'))
}

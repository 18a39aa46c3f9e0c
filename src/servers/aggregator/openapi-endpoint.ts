/**
 * `/openapi/v2` and `/openapi/v3`: the documents of this process and of the backends, each encoded once.
 *
 * Owns:     the encoded documents; what changed is made again on the next request.
 * Not here: how documents are made (endpoints/openapi), how backends' are fetched (openapi-downloads.ts).
 */
import { encodeJson } from '../../api/codec/codec.ts'
import { notAcceptable } from '../../api/status-error.ts'
import { Document, etagOf, sendDocument } from '../../endpoints/document.ts'
import { buildV2, buildV3 } from '../../endpoints/openapi/build-documents.ts'
import type { DescribedGroupVersion, DocumentInfo } from '../../endpoints/openapi/described-api.ts'
import { OPENAPI_V2_PROTOBUF, OPENAPI_V3_PROTOBUF, OpenApiProtobuf } from '../../endpoints/openapi/document-protobuf.ts'
import { mergeV2 } from '../../endpoints/openapi/merge-v2.ts'
import type { Json } from '../../endpoints/openapi/schemas.ts'
import { accepts, parseAccept } from '../../http/accept.ts'
import type { Handler } from '../../http/filter.ts'
import type { RequestContext } from '../../http/request-context.ts'
import type { Clock } from '../../lib/clock.ts'
import { nextTurn } from '../../lib/next-turn.ts'
import type { Published } from '../../lib/published.ts'
import type { RemoteOpenApi } from './openapi-downloads.ts'

export const V3_PREFIX = '/openapi/v3/'
const JSON_TYPE = 'application/json'
const YEAR_MS = 365 * 24 * 3600 * 1000

export interface OpenApiEndpointOptions {
  readonly local: () => readonly DescribedGroupVersion[]
  readonly remote: Published<ReadonlyMap<string, RemoteOpenApi>>
  readonly info: DocumentInfo
  readonly clock: Clock
}

/** One document in JSON, and in protobuf once somebody asks. */
class Encoded {
  readonly json: Document
  readonly #source: Json
  readonly #version: 2 | 3
  #protobuf: Document | undefined
  constructor(source: Json, version: 2 | 3) {
    this.#source = source
    this.#version = version
    this.json = new Document(Buffer.from(encodeJson(source)), JSON_TYPE)
  }
  get hash(): string {
    return this.json.etag.slice(1, -1)
  }
  get protobuf(): Document {
    this.#protobuf ??= new Document(
      new OpenApiProtobuf(this.#version).encode(this.#source),
      this.#version === 2 ? OPENAPI_V2_PROTOBUF : OPENAPI_V3_PROTOBUF,
      this.json.etag,
    )
    return this.#protobuf
  }
}

export class OpenApiEndpoint {
  readonly #o: OpenApiEndpointOptions
  readonly #localV3 = new Map<string, Encoded>()
  #localV2: Json | undefined
  #remoteV3 = new Map<string, { source: Json; encoded: Encoded }>()
  #v2: Encoded | undefined
  #index: Promise<Document> | undefined

  constructor(o: OpenApiEndpointOptions) {
    this.#o = o
    o.remote.subscribe(() => {
      this.#v2 = undefined
      this.#index = undefined
    })
  }
  /** `/openapi/v3`. */
  readonly index: Handler = async (ctx) => {
    const made = (this.#index ??= this.#makeIndex())
    // One that failed is made again for the next request.
    made.catch(() => {
      if (this.#index === made) this.#index = undefined
    })
    const document = await made
    await sendDocument(ctx, document, [])
  }
  /** `/openapi/v3/<key>`. */
  readonly v3: Handler = async (ctx) => {
    const key = ctx.path.slice(V3_PREFIX.length)
    const found = this.#find(key)
    if (!found) return ctx.answer(404, ['Content-Length', '0'])
    const hash = ctx.query.get('hash')
    if (hash !== null && hash !== found.hash)
      return ctx.answer(301, ['Location', urlOf(key, found), 'Content-Length', '0'])
    const forever = [
      'Cache-Control',
      'public, immutable',
      'Expires',
      new Date(this.#o.clock.now() + YEAR_MS).toUTCString(),
    ]
    await sendDocument(ctx, inForm(ctx, found, OPENAPI_V3_PROTOBUF), hash === null ? [] : forever)
  }
  /** `/openapi/v2`. */
  readonly v2: Handler = async (ctx) => {
    this.#v2 ??= new Encoded(await this.#merged(), 2)
    await sendDocument(ctx, inForm(ctx, this.#v2, OPENAPI_V2_PROTOBUF), [])
  }

  /** One document per turn of the event loop: together they take longer than it should be held. */
  async #makeIndex(): Promise<Document> {
    const paths: Record<string, { serverRelativeURL: string }> = {}
    const keys = [...this.#o.local().map(keyOf), ...[...this.#o.remote.value.values()].map((r) => r.key)]
    for (const key of [...new Set(keys)].sort()) {
      const found = this.#find(key)
      if (found) paths[key] = { serverRelativeURL: urlOf(key, found) }
      await nextTurn()
    }
    const bytes = Buffer.from(encodeJson({ paths }))
    return new Document(bytes, JSON_TYPE, etagOf(bytes))
  }

  /** A remote document wins: an APIService with a service takes the group version over. */
  #find(key: string): Encoded | undefined {
    for (const remote of this.#o.remote.value.values()) {
      if (remote.key !== key || !remote.v3) continue
      const known = this.#remoteV3.get(key)
      if (known?.source === remote.v3) return known.encoded
      const encoded = new Encoded(remote.v3, 3)
      this.#remoteV3.set(key, { source: remote.v3, encoded })
      return encoded
    }
    this.#remoteV3.delete(key)
    const known = this.#localV3.get(key)
    if (known) return known
    const gv = this.#o.local().find((d) => keyOf(d) === key)
    if (!gv) return undefined
    const encoded = new Encoded(buildV3(gv, this.#o.info), 3)
    this.#localV3.set(key, encoded)
    return encoded
  }

  async #merged(): Promise<Json> {
    this.#localV2 ??= buildV2(this.#o.local(), this.#o.info)
    await nextTurn()
    const remote = [...this.#o.remote.value.values()].flatMap((r) => (r.v2 ? [r.v2] : []))
    return mergeV2([this.#localV2, ...remote])!
  }
}

export const keyOf = (gv: DescribedGroupVersion): string =>
  gv.group === '' ? `api/${gv.version}` : `apis/${gv.group}/${gv.version}`
const urlOf = (key: string, document: Encoded): string => `${V3_PREFIX}${key}?hash=${document.hash}`

/** The old spelling of the protobuf types, with an @, is still asked for. @throws StatusError 406. */
function inForm(ctx: RequestContext, document: Encoded, protobuf: string): Document {
  const header = ctx.exchange.headers.all('accept').join(',')
  if (header === '') return document.json
  const old = protobuf.replace('.v1.0+', '@v1.0+')
  for (const { type } of parseAccept(header)) {
    if (accepts(type, JSON_TYPE)) return document.json
    if (type === protobuf || type === old) return document.protobuf
  }
  throw notAcceptable([JSON_TYPE, protobuf])
}

/**
 * `/openapi/v2` and `/openapi/v3`: the documents of this process and of the backends, each encoded once.
 *
 * Owns:     the encoded documents; what changed is made again on the next request.
 * Not here: how documents are made (endpoints/openapi), how others' are fetched (openapi-downloads.ts) and when
 *           (openapi-readers.ts).
 */
import { encodeJson } from '../../../api/codec/codec.ts'
import { notAcceptable } from '../../../api/status-error.ts'
import { Document, etagOf, sendDocument } from '../../../endpoints/document.ts'
import { buildV2, buildV3 } from '../../../endpoints/openapi/build-documents.ts'
import { buildRootDocument, rootKeys } from '../../../endpoints/openapi/build-root-documents.ts'
import type { DescribedGroupVersion, DocumentInfo } from '../../../endpoints/openapi/described-api.ts'
import {
  type EncodedDocument,
  type RemoteDocument,
  type RemoteOpenApi,
  UnitedDescriptions,
} from '../../../endpoints/openapi/openapi-source.ts'
import { OPENAPI_V2_PROTOBUF, OPENAPI_V3_PROTOBUF } from '../../../endpoints/openapi/document-protobuf.ts'
import { accepts, parseAccept } from '../../../http/accept.ts'
import type { Handler } from '../../../http/filter.ts'
import type { RequestContext } from '../../../http/request-context.ts'
import type { Clock } from '../../../lib/clock.ts'
import { inTurns, nextTurn } from '../../../lib/next-turn.ts'
import { unitedMaps, type Published } from '../../../lib/published.ts'
import { sharedCopy } from '../../../lib/shared-bytes.ts'
import type { Delegate } from '../../generic/delegate.ts'
import { OpenApiReaders } from './openapi-readers.ts'
import type { RunOpenApiWork } from './openapi-work.ts'

export const V3_PREFIX = '/openapi/v3/'
const JSON_TYPE = 'application/json'
const YEAR_MS = 365 * 24 * 3600 * 1000

export interface OpenApiEndpointOptions {
  /** The servers whose documents are told. The first remote document with a key wins. */
  readonly delegates: readonly Pick<Delegate, 'openapi'>[]
  readonly run: RunOpenApiWork
  readonly info: DocumentInfo
  readonly clock: Clock
}

/** One document in JSON, and in protobuf once a client asks for it. */
class Encoded {
  readonly json: Document
  readonly #run: RunOpenApiWork
  readonly #version: 2 | 3
  #protobuf: Promise<Document> | undefined
  constructor({ bytes, etag }: EncodedDocument, version: 2 | 3, run: RunOpenApiWork) {
    this.#run = run
    this.#version = version
    this.json = new Document(bytes, JSON_TYPE, etag)
  }
  get hash(): string {
    return this.json.etag.slice(1, -1)
  }
  get protobuf(): Promise<Document> {
    return (this.#protobuf ??= this.#toProtobuf())
  }
  async #toProtobuf(): Promise<Document> {
    const { bytes, etag } = this.json
    try {
      const encoded = await this.#run('protobuf', { bytes, version: this.#version })
      return new Document(encoded, this.#version === 2 ? OPENAPI_V2_PROTOBUF : OPENAPI_V3_PROTOBUF, etag)
    } catch (e) {
      this.#protobuf = undefined
      throw e
    }
  }
}

interface LocalDocument {
  /** What it was made of; undefined for those above the group versions. */
  readonly of: DescribedGroupVersion | undefined
  readonly encoded: Encoded
}

export class OpenApiEndpoint {
  readonly #o: OpenApiEndpointOptions
  readonly #readers: { readonly v3: OpenApiReaders; readonly v2: OpenApiReaders }
  readonly #remote: Published<ReadonlyMap<string, RemoteDocument>>
  readonly #remoteV2: Published<ReadonlyMap<string, RemoteDocument>>
  readonly #remotes: readonly RemoteOpenApi[]
  readonly #described: UnitedDescriptions
  readonly #localV3 = new Map<string, LocalDocument>()
  #localV2: Promise<readonly Uint8Array[]> | undefined
  #encoded = new WeakMap<EncodedDocument, Encoded>()
  #v2: Promise<Encoded> | undefined
  #index: Promise<Document> | undefined

  constructor(o: OpenApiEndpointOptions) {
    this.#o = o
    this.#described = new UnitedDescriptions(
      o.delegates.flatMap((d) => d.openapi?.described ?? []),
      () => this.#forgetChanged(),
    )
    this.#remotes = o.delegates.flatMap((d) => d.openapi?.remote ?? [])
    const [v3, v2] = [this.#remotes.map((r) => r.v3), this.#remotes.map((r) => r.v2)]
    this.#readers = { v3: new OpenApiReaders(v3, o.clock), v2: new OpenApiReaders(v2, o.clock) }
    this.#remote = unitedMaps(v3.map((s) => s.documents))
    this.#remote.subscribe(() => {
      this.#index = undefined
    })
    this.#remoteV2 = unitedMaps(v2.map((s) => s.documents))
    this.#remoteV2.subscribe(() => {
      this.#v2 = undefined
    })
  }
  [Symbol.dispose](): void {
    this.#readers.v3.stop()
    this.#readers.v2.stop()
  }
  /** Documents of group versions that are described otherwise now, or no more. Called after each change. */
  #forgetChanged(): void {
    const roots = new Set(this.#rootKeys())
    for (const [key, { of }] of this.#localV3)
      if (of === undefined ? !roots.has(key) : this.#described.value.get(key) !== of) this.#localV3.delete(key)
    this.#index = undefined
    this.#localV2 = undefined
    this.#v2 = undefined
  }
  /** `/openapi/v3`. */
  readonly index: Handler = async (ctx) => {
    await this.#readers.v3.noteReader()
    const made = (this.#index ??= this.#makeIndex())
    // One that failed is made again for the next request.
    made.catch(() => {
      if (this.#index === made) this.#index = undefined
    })
    await sendDocument(ctx, await made, [])
  }
  /** `/openapi/v3/<key>`. */
  readonly v3: Handler = async (ctx) => {
    await this.#readers.v3.noteReader()
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
    await sendDocument(ctx, await inForm(ctx, found, OPENAPI_V3_PROTOBUF), hash === null ? [] : forever)
  }
  /** `/openapi/v2`. */
  readonly v2: Handler = async (ctx) => {
    await this.#readers.v2.noteReader()
    const made = (this.#v2 ??= this.#merged())
    made.catch(() => {
      if (this.#v2 !== made) return
      this.#v2 = undefined
      this.#localV2 = undefined
    })
    await sendDocument(ctx, await inForm(ctx, await made, OPENAPI_V2_PROTOBUF), [])
  }

  /** One document per turn of the event loop: together they take longer than it should be held. */
  async #makeIndex(): Promise<Document> {
    const paths: Record<string, { serverRelativeURL: string }> = {}
    const keys = [
      ...this.#rootKeys(),
      ...this.#described.value.keys(),
      ...[...this.#remote.value.values()].map((r) => r.key),
    ]
    for (const key of [...new Set(keys)].sort()) {
      if (!this.#localV3.has(key)) await nextTurn()
      const found = this.#find(key)
      if (found) paths[key] = { serverRelativeURL: urlOf(key, found) }
    }
    const bytes = Buffer.from(encodeJson({ paths }))
    return new Document(bytes, JSON_TYPE, etagOf(bytes))
  }

  /** A remote document wins: an APIService with a service takes the group version over. */
  #find(key: string): Encoded | undefined {
    for (const remote of this.#remote.value.values())
      if (remote.key === key && remote.document) return this.#encodedOf(remote.document)
    const known = this.#localV3.get(key)
    if (known) return known.encoded
    const { info, run } = this.#o
    const of = this.#described.value.get(key)
    if (!of && !this.#rootKeys().includes(key)) return undefined
    const bytes = Buffer.from(encodeJson(of ? buildV3(of, info) : buildRootDocument(key, info)))
    const encoded = new Encoded({ bytes, etag: etagOf(bytes) }, 3, run)
    this.#localV3.set(key, { of, encoded })
    return encoded
  }
  /** Keys of the documents that are made here; backends speak for their groups themselves. */
  #rootKeys(): string[] {
    return rootKeys([...this.#described.value.values()].map((d) => d.group))
  }
  #encodedOf(document: EncodedDocument): Encoded {
    let encoded = this.#encoded.get(document)
    if (!encoded) {
      encoded = new Encoded(document, 3, this.#o.run)
      this.#encoded.set(document, encoded)
    }
    return encoded
  }

  async #merged(): Promise<Encoded> {
    const local = await (this.#localV2 ??= this.#buildV2())
    const isBase = new Set(this.#remotes.find((r) => r.isBase)?.v2.documents.value.values())
    const remote = [...this.#remoteV2.value.values()]
    const bytesOf = (documents: readonly RemoteDocument[]): Uint8Array[] =>
      documents.flatMap((r) => (r.document ? [r.document.bytes] : []))
    const base = bytesOf(remote.filter((r) => isBase.has(r)))
    const others = bytesOf(remote.filter((r) => !isBase.has(r)))
    return new Encoded((await this.#o.run('merged', [...base, ...local, ...others]))!, 2, this.#o.run)
  }
  async #buildV2(): Promise<Uint8Array[]> {
    const document = await inTurns(buildV2([...this.#described.value.values()], this.#o.info))
    await nextTurn()
    return [sharedCopy(Buffer.from(encodeJson(document)))]
  }
}

const urlOf = (key: string, document: Encoded): string => `${V3_PREFIX}${key}?hash=${document.hash}`

/** The old spelling of the protobuf types, with an @, is still asked for. @throws StatusError 406. */
async function inForm(ctx: RequestContext, document: Encoded, protobuf: string): Promise<Document> {
  const header = ctx.exchange.headers.all('accept').join(',')
  if (header === '') return document.json
  const old = protobuf.replace('.v1.0+', '@v1.0+')
  for (const { type } of parseAccept(header)) {
    if (accepts(type, JSON_TYPE)) return document.json
    if (type === protobuf || type === old) return document.protobuf
  }
  throw notAcceptable([JSON_TYPE, protobuf])
}

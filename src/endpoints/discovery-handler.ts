/** Serves `/apis`, `/api`, `/apis/{group}` and `/apis/{group}/{version}` from documents kept ready. */
import { type Encoding, encodeJson, encodeProtobuf, encodeYaml } from '../api/codec/codec.ts'
import { encodeMessage } from '../api/codec/protobuf-encode.ts'
import { metaType, metaTypes } from '../api/schema/meta-types.ts'
import type { ObjectType } from '../api/schema/type-table.ts'
import type { Handler } from '../http/filter.ts'
import { MEDIA_TYPES, negotiate } from '../http/negotiation.ts'
import { accepts, parseAccept } from '../http/accept.ts'
import type { RequestContext } from '../http/request-context.ts'
import { Document, etagOf, sendDocument } from './document.ts'
import { encodeObject, writeBytes } from './write-object.ts'

const ENCODINGS: readonly Encoding[] = ['json', 'yaml', 'protobuf']
const LIST_MODEL = 'io.k8s.api.apidiscovery.v2.APIGroupDiscoveryList'

/** The aggregated document in its encodings, made when first asked for. */
export class AggregatedDocument {
  readonly #json: Uint8Array
  readonly #object: object
  readonly #version: string
  readonly #etag: string
  readonly #made = new Map<Encoding, Document>()

  constructor(object: object, version: 'v2' | 'v2beta1') {
    this.#object = object
    this.#version = version
    this.#json = Buffer.from(`${encodeJson(object)}\n`)
    this.#etag = etagOf(this.#json)
  }
  get etag(): string {
    return this.#etag
  }
  in(encoding: Encoding): Document {
    let found = this.#made.get(encoding)
    if (!found) {
      found = new Document(
        this.#encode(encoding),
        `${MEDIA_TYPES[encoding]};g=apidiscovery.k8s.io;v=${this.#version};as=APIGroupDiscoveryList`,
        this.#etag,
      )
      this.#made.set(encoding, found)
    }
    return found
  }
  #encode(encoding: Encoding): Uint8Array {
    if (encoding === 'json') return this.#json
    return encoding === 'yaml'
      ? Buffer.from(encodeYaml(this.#object))
      : encodeProtobuf(metaTypes(), LIST_MODEL, this.#object)
  }
}

/** What a server has ready at the moment. */
export interface DiscoveryDocuments {
  readonly v2: AggregatedDocument
  readonly v2beta1: AggregatedDocument
  readonly legacy: LegacyDocument
}

/** A legacy document: encoded per request but for plain JSON, which is kept. */
export class LegacyDocument {
  readonly object: object
  readonly #type: ObjectType
  readonly #json: Document
  constructor(object: { kind: string }) {
    this.object = object
    this.#type = metaType(object.kind)
    this.#json = new Document(Buffer.from(`${encodeJson(object)}\n`), MEDIA_TYPES.json)
  }
  async send(ctx: RequestContext): Promise<void> {
    const form = negotiate(ctx)
    const plain = form.encoding === 'json' && !form.pretty
    const bytes = plain ? this.#json.bytes : encodeObject(this.object, form, (o) => encodeMessage(this.#type, o))
    await writeBytes(ctx, 200, bytes, MEDIA_TYPES[form.encoding])
  }
}

/** Aggregated wherever any clause of Accept asks for it, whatever its place; else the legacy document. */
export function discoveryHandler(current: () => DiscoveryDocuments): Handler {
  return (ctx) => {
    const wanted = aggregatedWanted(ctx)
    if (!wanted) return current().legacy.send(ctx)
    const documents = current()
    return sendDocument(ctx, (wanted.version === 'v2' ? documents.v2 : documents.v2beta1).in(wanted.encoding), [
      'Cache-Control',
      'public',
    ])
  }
}

function aggregatedWanted(ctx: RequestContext): { version: 'v2' | 'v2beta1'; encoding: Encoding } | undefined {
  const header = ctx.exchange.headers.all('accept').join(',')
  if (!header.includes('APIGroupDiscoveryList')) return undefined
  const clauses = parseAccept(header).filter(
    (c) => c.params.get('as') === 'APIGroupDiscoveryList' && c.params.get('g') === 'apidiscovery.k8s.io',
  )
  for (const version of ['v2', 'v2beta1'] as const) {
    for (const clause of clauses.filter((c) => c.params.get('v') === version)) {
      const encoding = ENCODINGS.find((e) => accepts(clause.type, MEDIA_TYPES[e]))
      if (encoding) return { version, encoding }
    }
  }
  return undefined
}

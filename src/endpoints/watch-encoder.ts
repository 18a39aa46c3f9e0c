/** Events of a watch as bytes. Plain JSON and protobuf are made once for all watches that an event is given to. */
import { encodeJson, encodeProtobuf, encodeYaml } from '../api/codec/codec.ts'
import { frameProtobuf, watchEventMessage } from '../api/codec/protobuf-envelope.ts'
import type { KubeObject } from '../api/meta.ts'
import { metaTypes } from '../api/schema/meta-types.ts'
import type { Status } from '../api/status-error.ts'
import type { Negotiated } from '../http/negotiation.ts'
import { STATUS_TYPE } from '../http/write-status.ts'
import type { Item } from '../registry/list-reader.ts'
import { apiVersionOf } from '../registry/resource.ts'
import { objectJson, typePrefix, typed } from './object-forms.ts'
import { encodeRawItem, encodeWatchFrame } from './protobuf-list.ts'
import type { Scope } from './scope.ts'
import { type IncludeObject, toTable } from './table.ts'
import { PARTIAL_MODEL, partialMetadata, transformVersion } from './transforms.ts'

export interface WatchEncoder {
  readonly contentType: string
  /** Events are framed by a length in front, not by a line's end. */
  readonly isBinary: boolean
  event(type: string, item: Item): Uint8Array
  /** @param initialEventsEnd the bookmark that ends the initial events. */
  bookmark(resourceVersion: string, initialEventsEnd: boolean): Uint8Array
  error(status: Status): Uint8Array
}

const INITIAL_EVENTS_END = { 'k8s.io/initial-events-end': 'true' }

type Encoded = Pick<Scope, 'resource' | 'types' | 'columns' | 'clock'>

export function watchEncoder(scope: Encoded, form: Negotiated, include: IncludeObject): WatchEncoder {
  if (!form.as && form.encoding === 'json' && !form.pretty) return jsonEncoder(scope)
  if (!form.as && form.encoding === 'protobuf') return protobufEncoder(scope)
  return objectEncoder(scope, form, include)
}

function bookmarkObject(scope: Encoded, resourceVersion: string, initialEventsEnd: boolean): KubeObject {
  const metadata = { resourceVersion, ...(initialEventsEnd ? { annotations: INITIAL_EVENTS_END } : {}) }
  return typed(scope.resource, { metadata })
}

function jsonLine(type: string, object: object): Uint8Array {
  return Buffer.from(`${encodeJson({ type, object })}\n`)
}

function jsonEncoder(scope: Encoded): WatchEncoder {
  const prefix = typePrefix(scope.resource.kind, apiVersionOf(scope.resource))
  const heads = new Map(
    ['ADDED', 'MODIFIED', 'DELETED'].map((type) => [type, Buffer.from(`{"type":"${type}","object":${prefix}`)]),
  )
  const tail = Buffer.from('}\n')
  return {
    contentType: 'application/json',
    isBinary: false,
    event: (type, item) => latestFrame(item, `${type} ${prefix}`, () => objectJson(item, heads.get(type)!, tail)),
    bookmark: (rv, end) => jsonLine('BOOKMARK', bookmarkObject(scope, rv, end)),
    error: (status) => jsonLine('ERROR', status),
  }
}

function protobufEncoder(scope: Encoded): WatchEncoder {
  const { resource, types } = scope
  const raw = (object: KubeObject): Uint8Array => encodeProtobuf(types, resource.type.model, object)
  return {
    contentType: 'application/vnd.kubernetes.protobuf;stream=watch',
    isBinary: true,
    event: (type, item) =>
      latestFrame(item, `${type} protobuf`, () => encodeWatchFrame(resource, type, encodeRawItem(resource, item))),
    bookmark: (rv, end) => frameProtobuf(watchEventMessage('BOOKMARK', raw(bookmarkObject(scope, rv, end)))),
    error: (status) => frameProtobuf(watchEventMessage('ERROR', encodeProtobuf(metaTypes(), STATUS_TYPE, status))),
  }
}

/** An event is given to all its watches before the next one is: this much is worth to be kept, and no more. */
let latest: Item | undefined
const latestFrames = new Map<string, Uint8Array>()

function latestFrame(item: Item, form: string, encode: () => Uint8Array): Uint8Array {
  if (item !== latest) {
    latest = item
    latestFrames.clear()
  }
  const known = latestFrames.get(form)
  if (known) return known
  const frame = encode()
  latestFrames.set(form, frame)
  return frame
}

/** YAML, pretty JSON, tables and metadata: made for this watch alone. */
function objectEncoder(scope: Encoded, form: Negotiated, include: IncludeObject): WatchEncoder {
  let columnsSent = false
  const transform = (object: KubeObject, bookmark = false): object => {
    if (form.as?.kind === 'PartialObjectMetadata') return partialMetadata(object, transformVersion(form.as))
    if (form.as?.kind !== 'Table') return object
    const { resourceVersion = '' } = object.metadata
    const table = toTable(
      bookmark ? [] : [object],
      { resourceVersion },
      {
        columns: scope.columns,
        include,
        apiVersion: transformVersion(form.as),
        kind: { kind: scope.resource.kind, apiVersion: apiVersionOf(scope.resource) },
        now: scope.clock.now(),
      },
      !columnsSent,
    )
    columnsSent = true
    return table
  }
  const frame = (type: string, object: object): Uint8Array => {
    if (form.encoding === 'protobuf') {
      const model = type === 'ERROR' ? STATUS_TYPE : PARTIAL_MODEL
      return frameProtobuf(watchEventMessage(type, encodeProtobuf(metaTypes(), model, object)))
    }
    if (form.encoding === 'yaml') return Buffer.from(`---\n${encodeYaml({ type, object })}`)
    return jsonLine(type, object)
  }
  return {
    contentType:
      form.encoding === 'json'
        ? 'application/json'
        : form.encoding === 'yaml'
          ? 'application/yaml;stream=watch'
          : 'application/vnd.kubernetes.protobuf;stream=watch',
    isBinary: form.encoding === 'protobuf',
    event: (type, item) => frame(type, transform(typed(scope.resource, item.object))),
    bookmark: (rv, end) => frame('BOOKMARK', transform(bookmarkObject(scope, rv, end), true)),
    error: (status) => frame('ERROR', status),
  }
}

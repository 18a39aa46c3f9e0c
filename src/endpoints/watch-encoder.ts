/** Events of a watch as bytes. Plain JSON and protobuf are made once for all watches that an event is given to. */
import { encodeJson, encodeYaml } from '../api/codec/codec.ts'
import { encodeMessage } from '../api/codec/protobuf-encode.ts'
import { frameProtobuf, watchEventMessage, wrapProtobuf } from '../api/codec/protobuf-envelope.ts'
import type { KubeObject } from '../api/meta.ts'
import { metaType } from '../api/schema/meta-types.ts'
import type { Status } from '../api/status-error.ts'
import type { Negotiated } from '../http/negotiation.ts'
import { bytesOf } from '../lib/byte-text.ts'
import type { Item } from '../registry/list-reader.ts'
import { typePrefix } from './object-forms.ts'
import { encodeWatchFrame } from './protobuf-list.ts'
import type { Scope } from './scope.ts'
import { type IncludeObject, toTable } from './table.ts'
import { PARTIAL_MESSAGE, partialMetadata, transformVersion } from './transforms.ts'

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

type Encoded = Pick<Scope, 'forms' | 'frames' | 'columns' | 'clock'>

export function watchEncoder(scope: Encoded, form: Negotiated, include: IncludeObject): WatchEncoder {
  if (!form.as && form.encoding === 'json' && !form.pretty) return jsonEncoder(scope)
  if (!form.as && form.encoding === 'protobuf') return protobufEncoder(scope)
  return objectEncoder(scope, form, include)
}

function bookmarkObject(scope: Encoded, resourceVersion: string, initialEventsEnd: boolean): KubeObject {
  const metadata = { resourceVersion, ...(initialEventsEnd ? { annotations: INITIAL_EVENTS_END } : {}) }
  const { kind, apiVersion } = scope.forms.version
  return { kind, apiVersion, metadata }
}

function jsonLine(type: string, object: object): Uint8Array {
  return Buffer.from(`${encodeJson({ type, object })}\n`)
}

function jsonEncoder(scope: Encoded): WatchEncoder {
  const { forms, frames } = scope
  const prefix = typePrefix(forms.version)
  const heads = new Map(
    ['ADDED', 'MODIFIED', 'DELETED'].map((type) => [type, Buffer.from(`{"type":"${type}","object":${prefix}`)]),
  )
  const tail = Buffer.from('}\n')
  return {
    contentType: 'application/json',
    isBinary: false,
    event: (type, item) => frames.of(item, `${type} ${prefix}`, () => forms.objectJson(item, heads.get(type)!, tail)),
    bookmark: (rv, end) => jsonLine('BOOKMARK', bookmarkObject(scope, rv, end)),
    error: (status) => jsonLine('ERROR', status),
  }
}

function protobufEncoder(scope: Encoded): WatchEncoder {
  const { forms, frames } = scope
  const { apiVersion, kind, encodeMessage: messageOf } = forms.version
  const raw = (object: KubeObject): Uint8Array => wrapProtobuf({ apiVersion, kind, raw: messageOf(object) })
  return {
    contentType: 'application/vnd.kubernetes.protobuf;stream=watch',
    isBinary: true,
    event: (type, item) =>
      frames.of(item, `${type} ${apiVersion} protobuf`, () =>
        encodeWatchFrame(forms.version, type, bytesOf(forms.itemMessage(item))),
      ),
    bookmark: (rv, end) => frameProtobuf(watchEventMessage('BOOKMARK', raw(bookmarkObject(scope, rv, end)))),
    error: (status) => frameProtobuf(watchEventMessage('ERROR', statusMessage(status))),
  }
}

function statusMessage(status: object): Uint8Array {
  return wrapProtobuf({ apiVersion: 'v1', kind: 'Status', raw: encodeMessage(metaType('Status'), status) })
}

/** YAML, pretty JSON, tables and metadata: made for this watch alone. */
function objectEncoder(scope: Encoded, form: Negotiated, include: IncludeObject): WatchEncoder {
  let columnsSent = false
  const transform = (object: KubeObject, bookmark = false): object => {
    if (form.as?.kind === 'PartialObjectMetadata') return partialMetadata(object, transformVersion(form.as))
    if (form.as?.kind !== 'Table') return bookmark ? object : scope.forms.typed(object)
    const { resourceVersion = '' } = object.metadata
    const table = toTable(
      bookmark ? [] : [object],
      { resourceVersion },
      {
        columns: scope.columns,
        include,
        apiVersion: transformVersion(form.as),
        typed: (o) => scope.forms.typed(o),
        now: scope.clock.now(),
      },
      !columnsSent,
    )
    columnsSent = true
    return table
  }
  const frame = (type: string, object: object): Uint8Array => {
    if (form.encoding === 'protobuf') {
      if (type === 'ERROR') return frameProtobuf(watchEventMessage(type, statusMessage(object)))
      const { kind = '', apiVersion = '' } = object as KubeObject
      return frameProtobuf(watchEventMessage(type, wrapProtobuf({ apiVersion, kind, raw: PARTIAL_MESSAGE(object) })))
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
    event: (type, item) => frame(type, transform(item.object)),
    bookmark: (rv, end) => frame('BOOKMARK', transform(bookmarkObject(scope, rv, end), true)),
    error: (status) => frame('ERROR', status),
  }
}

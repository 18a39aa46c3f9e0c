/**
 * Spans as the body of an export over OTLP/HTTP, in JSON. Source: opentelemetry.proto.collector.trace.v1 and the JSON
 * mapping of OTLP 1.9: ids in hex, 64-bit numbers as text. Written as text at once: objects of that form, made only to be
 * written, cost more than recording the spans does.
 */
import type { RecordedSpan, SpanEvent } from './recorded-span.ts'
import type { SpanAttributes, SpanContext } from './tracer.ts'

/** Offset by one from OpenTelemetry's API, which does not know "unspecified". */
const KINDS = { internal: 1, server: 2, client: 3 }
const STATUS_ERROR = 2
const SAMPLED = 1
const HAS_IS_REMOTE = 0x100
const IS_REMOTE = 0x200

/** @param spans that have ended. */
export function otlpJson(spans: readonly RecordedSpan[], resource: SpanAttributes, scope: string): Buffer {
  let text = `{"resourceSpans":[{"resource":{"attributes":[${attributesOf(resource)}]},"scopeSpans":[{"scope":{"name":${quoted(scope)}},"spans":[`
  for (const [i, span] of spans.entries()) text += i === 0 ? spanText(span) : `,${spanText(span)}`
  return Buffer.from(`${text}]}]}]}`)
}

function spanText(s: RecordedSpan): string {
  const flags = SAMPLED | HAS_IS_REMOTE | (s.isParentRemote ? IS_REMOTE : 0)
  let text = `{${idsOf(s.context)},"flags":${flags},"name":${quoted(s.name)},"kind":${KINDS[s.kind]}`
  if (s.parent) text += `,"parentSpanId":"${s.parent.spanId}"`
  text += `,"startTimeUnixNano":"${nanos(s.startMs)}","endTimeUnixNano":"${nanos(s.endMs ?? s.startMs)}"`
  const [only = {}, ...more] = s.attributes
  text += `,"attributes":[${attributesOf(more.length === 0 ? only : Object.assign({}, only, ...more))}]`
  if (s.events.length > 0) text += `,"events":[${s.events.map(eventText).join()}]`
  if (s.link)
    text += `,"links":[{${idsOf(s.link)},"flags":${(s.link.sampled ? SAMPLED : 0) | HAS_IS_REMOTE | IS_REMOTE}}]`
  if (s.failure !== undefined) text += `,"status":{"code":${STATUS_ERROR},"message":${quoted(s.failure)}}`
  return `${text}}`
}
function eventText(e: SpanEvent): string {
  return `{"name":${quoted(e.name)},"timeUnixNano":"${nanos(e.timeMs)}","attributes":[${attributesOf(e.attributes ?? {})}]}`
}
function idsOf({ traceId, spanId, traceState }: SpanContext): string {
  const ids = `"traceId":"${traceId}","spanId":"${spanId}"`
  return traceState === undefined ? ids : `${ids},"traceState":${quoted(traceState)}`
}
function attributesOf(attributes: SpanAttributes): string {
  let text = ''
  for (const key in attributes)
    text += `${text === '' ? '' : ','}{"key":${quoted(key)},"value":${valueText(attributes[key]!)}}`
  return text
}
function valueText(value: string | number | boolean): string {
  if (typeof value === 'string') return `{"stringValue":${quoted(value)}}`
  if (typeof value === 'boolean') return `{"boolValue":${value}}`
  return Number.isSafeInteger(value) ? `{"intValue":"${value}"}` : `{"doubleValue":${quotedUnlessFinite(value)}}`
}
/** Infinity and NaN are text in the JSON form of protobuf. */
function quotedUnlessFinite(value: number): string {
  return Number.isFinite(value) ? String(value) : `"${value}"`
}
const quoted = (text: string): string => JSON.stringify(text)

function nanos(ms: number): string {
  const seconds = Math.floor(ms / 1_000)
  return `${seconds}${String(Math.floor((ms - seconds * 1_000) * 1_000_000)).padStart(9, '0')}`
}

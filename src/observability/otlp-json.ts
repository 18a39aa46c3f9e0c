/**
 * Spans as the body of an export over OTLP/HTTP, in JSON. Source: opentelemetry.proto.collector.trace.v1 and the JSON
 * mapping of OTLP 1.9: ids in hex, 64-bit numbers as text. Written as text at once, each span by itself into one piece of
 * memory that is used again: objects of that form, or one text of all spans, cost more than recording the spans does.
 *
 * Callers: otlp-exporters.ts.
 */
import type { EndedSpan, SpanEvent } from './ended-span.ts'
import type { SpanAttributes, SpanContext } from './tracer.ts'

/** Offset by one from OpenTelemetry's API, which does not know "unspecified". */
const KINDS = { internal: 1, server: 2, client: 3 }
const STATUS_ERROR = 2
const SAMPLED = 1
const HAS_IS_REMOTE = 0x100
const IS_REMOTE = 0x200
const INITIAL_BYTES = 262_144
/** What was needed once, for stack traces perhaps, is not kept for ever. */
const MAX_KEPT_BYTES = 1_048_576
/** Of UTF-8, for one of UTF-16. */
const MAX_BYTES_PER_UNIT = 3

export class OtlpJson {
  readonly #head: string
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  #at = 0

  constructor(resource: SpanAttributes, scope: string) {
    this.#head = `{"resourceSpans":[{"resource":{"attributes":[${attributesOf([resource])}]},"scopeSpans":[{"scope":{"name":${quoted(scope)}},"spans":[`
  }
  /**
   * @param spans that have ended.
   * @returns a view that the next call writes over.
   */
  body(spans: readonly EndedSpan[]): Buffer {
    if (this.#bytes.length > MAX_KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES)
    this.#at = 0
    this.#put(this.#head)
    for (let i = 0; i < spans.length; i++) this.#put(i === 0 ? spanText(spans[i]!) : `,${spanText(spans[i]!)}`)
    this.#put(']}]}]}')
    return this.#bytes.subarray(0, this.#at)
  }

  #put(text: string): void {
    const most = text.length * MAX_BYTES_PER_UNIT
    if (this.#bytes.length - this.#at < most) {
      const larger = Buffer.allocUnsafeSlow(2 * (this.#bytes.length + most))
      this.#bytes.copy(larger, 0, 0, this.#at)
      this.#bytes = larger
    }
    this.#at += this.#bytes.write(text, this.#at, 'utf8')
  }
}

function spanText(s: EndedSpan): string {
  const flags = SAMPLED | HAS_IS_REMOTE | (s.isParentRemote ? IS_REMOTE : 0)
  let text = `{${idsOf(s.context)},"flags":${flags},"name":${quoted(s.name)},"kind":${KINDS[s.kind]}`
  if (s.parent) text += `,"parentSpanId":"${s.parent.spanId}"`
  text += `,"startTimeUnixNano":"${nanos(s.startMs)}","endTimeUnixNano":"${nanos(s.endMs ?? s.startMs)}"`
  text += `,"attributes":[${attributesOf(s.attributes)}]`
  if (s.events.length > 0) text += `,"events":[${s.events.map(eventText).join()}]`
  if (s.link)
    text += `,"links":[{${idsOf(s.link)},"flags":${(s.link.sampled ? SAMPLED : 0) | HAS_IS_REMOTE | IS_REMOTE}}]`
  if (s.failure !== undefined) text += `,"status":{"code":${STATUS_ERROR},"message":${quoted(s.failure)}}`
  return `${text}}`
}
function eventText(e: SpanEvent): string {
  return `{"name":${quoted(e.name)},"timeUnixNano":"${nanos(e.timeMs)}","attributes":[${attributesOf(e.attributes ? [e.attributes] : [])}]}`
}
function idsOf({ traceId, spanId, traceState }: SpanContext): string {
  const ids = `"traceId":"${traceId}","spanId":"${spanId}"`
  return traceState === undefined ? ids : `${ids},"traceState":${quoted(traceState)}`
}
/** @param sets one after the other: of two values of a key the later counts. */
function attributesOf(sets: readonly SpanAttributes[]): string {
  let text = ''
  for (const [i, set] of sets.entries())
    for (const key in set)
      if (!isSetAgain(sets, i, key))
        text += `${text === '' ? '' : ','}{"key":${quoted(key)},"value":${valueText(set[key]!)}}`
  return text
}
function isSetAgain(sets: readonly SpanAttributes[], at: number, key: string): boolean {
  for (let later = at + 1; later < sets.length; later++) if (key in sets[later]!) return true
  return false
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

const NANOS_PER_SECOND = 1_000_000_000
/** Most spans of an export are of the same second. */
let second = 0
let secondText = '0'
function nanos(ms: number): string {
  const seconds = Math.floor(ms / 1_000)
  if (seconds !== second) {
    second = seconds
    secondText = String(seconds)
  }
  // One digit more, and that cut off again: the zeros in front are kept.
  return secondText + String(NANOS_PER_SECOND + Math.floor((ms - seconds * 1_000) * 1_000_000)).slice(1)
}

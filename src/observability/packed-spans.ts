/**
 * Ended spans on their way to the thread that sends them, as one list of plain values: a message is copied value by value,
 * and of an object each name again. As objects they cost the thread that recorded them six times as much.
 *
 *   count, then of each span: name, kind, isParentRemote, startMs, endMs, failure, context, parent, link, attributes,
 *   number of events, of each: name, timeMs, attributes; number of phases, of each: name, startMs, endMs, failure
 *   context: traceId, spanId, sampled, traceState; undefined alone where there is none
 *   attributes: number of pairs, the pairs
 *
 * Callers: span-thread.ts packs, span-worker.ts unpacks.
 */
import type { EndedSpan, Phase, SpanEvent } from './ended-span.ts'
import type { SpanAttributes, SpanContext } from './tracer.ts'

type Value = string | number | boolean | undefined
export type PackedSpans = readonly Value[]

export function packSpans(spans: readonly EndedSpan[]): PackedSpans {
  const out: Value[] = [spans.length]
  for (const span of spans) packSpan(out, span)
  return out
}
function packSpan(out: Value[], s: EndedSpan): void {
  out.push(s.name, s.kind, s.isParentRemote, s.startMs, s.endMs, s.failure)
  packContext(out, s.context)
  packContext(out, s.parent)
  packContext(out, s.link)
  packAttributes(out, s.attributes)
  out.push(s.events.length)
  for (const { name, timeMs, attributes } of s.events) {
    out.push(name, timeMs)
    packAttributes(out, attributes === undefined ? [] : [attributes])
  }
  out.push(s.phases.length)
  for (const { name, startMs, endMs, failure } of s.phases) out.push(name, startMs, endMs, failure)
}
function packContext(out: Value[], c: SpanContext | undefined): void {
  if (c) out.push(c.traceId, c.spanId, c.sampled, c.traceState)
  else out.push(undefined)
}
function packAttributes(out: Value[], sets: readonly SpanAttributes[]): void {
  const at = out.push(0) - 1
  for (const set of sets) for (const key in set) out.push(key, set[key])
  out[at] = (out.length - at - 1) / 2
}

export function unpackSpans(values: PackedSpans): EndedSpan[] {
  return new Unpacker(values).spans()
}

/** Reads in the order in which it was written: an object's fields are read as they stand. */
class Unpacker {
  readonly #values: PackedSpans
  #at = 0

  constructor(values: PackedSpans) {
    this.#values = values
  }
  spans(): EndedSpan[] {
    return this.#several(() => this.#span())
  }
  #span(): EndedSpan {
    return {
      name: this.#next(),
      kind: this.#next(),
      isParentRemote: this.#next(),
      startMs: this.#next(),
      endMs: this.#next(),
      failure: this.#next(),
      context: this.#context()!,
      parent: this.#context(),
      link: this.#context(),
      attributes: [this.#attributes()],
      events: this.#several(
        (): SpanEvent => ({ name: this.#next(), timeMs: this.#next(), attributes: this.#attributes() }),
      ),
      phases: this.#several(
        (): Phase => ({ name: this.#next(), startMs: this.#next(), endMs: this.#next(), failure: this.#next() }),
      ),
    }
  }
  #context(): SpanContext | undefined {
    const traceId = this.#next<string | undefined>()
    if (traceId === undefined) return undefined
    const context = { traceId, spanId: this.#next<string>(), sampled: this.#next<boolean>() }
    const traceState = this.#next<string | undefined>()
    return traceState === undefined ? context : { ...context, traceState }
  }
  #attributes(): SpanAttributes {
    return Object.fromEntries(this.#several(() => [this.#next<string>(), this.#next<string | number | boolean>()]))
  }
  #several<T>(read: () => T): T[] {
    return Array.from({ length: this.#next<number>() }, read)
  }
  /** What the writer put here. */
  #next<T extends Value>(): T {
    return this.#values[this.#at++] as T
  }
}

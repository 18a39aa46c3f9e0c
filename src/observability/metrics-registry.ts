/**
 * Metrics in slots of our own: a bound counter is one addition, a bound histogram a short search.
 *
 * Owns:     every family and series.
 * Callers:  app/run/wire.ts makes one; servers/generic/metrics-endpoint.ts renders it.
 * Not here: process metrics (process-metrics.ts), names (each part registers its own).
 */
import type { Counter, Family, Gauge, Histogram, MetricOptions, MetricsRecorder } from './metrics.ts'

const DEFAULT_MAX_SERIES = 1000
/** The label value of the one series that takes what does not fit. */
const OVERFLOW = 'other'
/** Lines rendered before the event loop gets a turn: about a millisecond. */
const LINES_PER_SLICE = 2000

type Series = { readonly labels: string; lines(name: string, out: string[]): void }

class Value implements Counter, Gauge, Series {
  readonly labels: string
  #value = 0
  constructor(labels: string) {
    this.labels = labels
  }
  inc(by = 1): void {
    this.#value += by
  }
  add(by: number): void {
    this.#value += by
  }
  set(value: number): void {
    this.#value = value
  }
  lines(name: string, out: string[]): void {
    out.push(`${name}${braces(this.labels)} ${formatNumber(this.#value)}`)
  }
}

class Buckets implements Histogram, Series {
  readonly labels: string
  readonly #bounds: readonly number[]
  readonly #counts: Float64Array
  #sum = 0
  constructor(labels: string, bounds: readonly number[]) {
    this.labels = labels
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }
  observe(value: number): void {
    let i = 0
    while (i < this.#bounds.length && value > this.#bounds[i]!) i++
    this.#counts[i]!++
    this.#sum += value
  }
  lines(name: string, out: string[]): void {
    const prefix = this.labels === '' ? '' : `${this.labels},`
    let total = 0
    for (let i = 0; i < this.#counts.length; i++) {
      total += this.#counts[i]!
      const le = i < this.#bounds.length ? formatNumber(this.#bounds[i]!) : '+Inf'
      out.push(`${name}_bucket{${prefix}le="${le}"} ${total}`)
    }
    out.push(
      `${name}_sum${braces(this.labels)} ${formatNumber(this.#sum)}`,
      `${name}_count${braces(this.labels)} ${total}`,
    )
  }
}

class MetricFamily<T extends Series> implements Family<T> {
  readonly type: string
  readonly options: MetricOptions
  readonly series = new Map<string, T>()
  readonly #make: (labels: string) => T
  readonly #onOverflow: () => void
  constructor(type: string, options: MetricOptions, make: (labels: string) => T, onOverflow: () => void) {
    this.type = type
    this.options = options
    this.#make = make
    this.#onOverflow = onOverflow
    if ((options.labels ?? []).length === 0) this.with()
  }
  with(...values: string[]): T {
    const key = values.join('\u0000')
    const found = this.series.get(key)
    if (found) return found
    const names = this.options.labels ?? []
    if (values.length !== names.length)
      throw new TypeError(`${this.options.name} takes ${names.length} label values, not ${values.length}`)
    if (this.series.size >= (this.options.maxSeries ?? DEFAULT_MAX_SERIES)) {
      this.#onOverflow()
      const rest = names.map(() => OVERFLOW)
      if (values.every((v) => v === OVERFLOW)) return this.#add(key, rest)
      const overflow = this.series.get(rest.join('\u0000'))
      return overflow ?? this.#add(rest.join('\u0000'), rest)
    }
    return this.#add(key, values)
  }
  remove(...values: string[]): void {
    this.series.delete(values.join('\u0000'))
  }
  /** @returns whether there was one. */
  removeWhere(label: string, values: ReadonlySet<string>): boolean {
    const index = (this.options.labels ?? []).indexOf(label)
    if (index < 0) return false
    const before = this.series.size
    for (const key of this.series.keys()) if (values.has(key.split('\u0000')[index]!)) this.series.delete(key)
    return this.series.size < before
  }
  #add(key: string, values: readonly string[]): T {
    const names = this.options.labels ?? []
    const made = this.#make(names.map((n, i) => `${n}="${escapeLabel(values[i]!)}"`).join(','))
    this.series.set(key, made)
    return made
  }
}

export class MetricsRegistry implements MetricsRecorder {
  readonly #families = new Map<string, MetricFamily<Series>>()
  readonly #collectors = new Set<() => void>()
  #generation = 0
  readonly #dropped = this.counter({
    name: 'portico_metrics_series_overflow_total',
    help: 'Look-ups of a series that were put into the series named other, because the metric had reached its bound.',
    labels: ['metric'],
  })

  counter(o: MetricOptions): Family<Counter> {
    return this.#family('counter', o, (labels) => new Value(labels))
  }
  gauge(o: MetricOptions): Family<Gauge> {
    return this.#family('gauge', o, (labels) => new Value(labels))
  }
  histogram(o: MetricOptions & { readonly buckets: readonly number[] }): Family<Histogram> {
    return this.#family('histogram', o, (labels) => new Buckets(labels, o.buckets))
  }
  onCollect(fn: () => void): () => void {
    this.#collectors.add(fn)
    return () => this.#collectors.delete(fn)
  }

  get generation(): number {
    return this.#generation
  }
  forget(label: string, values: ReadonlySet<string>): void {
    let found = false
    for (const family of this.#families.values()) found = family.removeWhere(label, values) || found
    if (found) this.#generation++
  }

  /** Every family, by name: what docs/metrics.md lists. */
  describe(): { name: string; type: string; labels: readonly string[]; help: string }[] {
    return [...this.#families.values()]
      .map(({ type, options: { name, help, labels } }) => ({ name, type, labels: labels ?? [], help }))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  }
  /** The text exposition format, in slices between which the event loop runs. @param only these families. */
  async *render(only?: ReadonlySet<string>): AsyncGenerator<string> {
    for (const collect of this.#collectors) collect()
    let lines: string[] = []
    for (const name of [...this.#families.keys()].sort()) {
      const family = this.#families.get(name)!
      if (family.series.size === 0 || only?.has(name) === false) continue
      lines.push(`# HELP ${name} ${escapeHelp(family.options.help)}`, `# TYPE ${name} ${family.type}`)
      for (const series of family.series.values()) {
        series.lines(name, lines)
        if (lines.length < LINES_PER_SLICE) continue
        yield `${lines.join('\n')}\n`
        lines = []
        await new Promise<void>((resolve) => setImmediate(resolve))
      }
    }
    if (lines.length > 0) yield `${lines.join('\n')}\n`
  }

  #family<T extends Series>(type: string, o: MetricOptions, make: (labels: string) => T): Family<T> {
    const known = this.#families.get(o.name)
    if (known) {
      if (known.type !== type) throw new TypeError(`metric ${o.name} is a ${known.type} already`)
      return known as MetricFamily<Series> as MetricFamily<T>
    }
    const family = new MetricFamily<T>(type, o, make, () => this.#dropped.with(o.name).inc())
    this.#families.set(o.name, family)
    return family
  }
}

const braces = (labels: string): string => (labels === '' ? '' : `{${labels}}`)
const escapeLabel = (v: string): string => v.replace(/[\\"\n]/g, (c) => (c === '\n' ? '\\n' : `\\${c}`))
const escapeHelp = (v: string): string => v.replace(/[\\\n]/g, (c) => (c === '\n' ? '\\n' : '\\\\'))

function formatNumber(n: number): string {
  if (n === Number.POSITIVE_INFINITY) return '+Inf'
  if (n === Number.NEGATIVE_INFINITY) return '-Inf'
  return String(n)
}

/** What code that counts depends on. Bind label values once (`with`), then use the handle on the hot path. */
export interface Counter {
  inc(by?: number): void
}
export interface Gauge {
  set(value: number): void
  add(by: number): void
}
export interface Histogram {
  observe(value: number): void
}
/** One metric name; `with` takes the label values in the order of the labels. Past maxSeries all go to one series named `other`. */
export interface Family<T> {
  with(...labelValues: string[]): T
  /** Drops one series, so that it is no longer exposed. */
  remove(...labelValues: string[]): void
}
export interface MetricOptions {
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
  /** Default 1000. */
  readonly maxSeries?: number
}
export interface MetricsRecorder {
  counter(o: MetricOptions): Family<Counter>
  gauge(o: MetricOptions): Family<Gauge>
  /** @param o.buckets upper bounds, ascending, without +Inf. */
  histogram(o: MetricOptions & { readonly buckets: readonly number[] }): Family<Histogram>
  /** Called right before each exposition, to set gauges from a state. The result unregisters. */
  onCollect(fn: () => void): () => void
  /** Drops every series, of whichever family, whose label has one of the values. */
  forget(label: string, values: ReadonlySet<string>): void
  /** Changes with each forget: who keeps handles looks them up anew. */
  readonly generation: number
}

const nothing: Counter & Gauge & Histogram = { inc() {}, set() {}, add() {}, observe() {} }
const nothings: Family<Counter & Gauge & Histogram> = { with: () => nothing, remove() {} }
export const noopMetrics: MetricsRecorder = {
  counter: () => nothings,
  gauge: () => nothings,
  histogram: () => nothings,
  onCollect: () => () => {},
  forget() {},
  generation: 0,
}

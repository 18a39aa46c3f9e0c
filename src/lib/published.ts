/** A value that changes over time: read it now, or be told of each change. */
export interface Published<T> {
  readonly value: T
  /** Called after each change, not at once. The result unsubscribes. */
  subscribe(fn: (value: T) => void): () => void
}

export class Publisher<T> implements Published<T> {
  #value: T
  readonly #subscribers = new Set<(value: T) => void>()

  constructor(initial: T) {
    this.#value = initial
  }
  get value(): T {
    return this.#value
  }
  subscribe(fn: (value: T) => void): () => void {
    this.#subscribers.add(fn)
    return () => this.#subscribers.delete(fn)
  }
  publish(value: T): void {
    this.#value = value
    for (const fn of this.#subscribers) fn(value)
  }
}

/** All entries of several maps, in their order, under keys that tell the maps apart. */
export function unitedMaps<T>(
  sources: readonly Published<ReadonlyMap<string, T>>[],
): Published<ReadonlyMap<string, T>> {
  const [only] = sources
  if (only && sources.length === 1) return only
  const unite = (): ReadonlyMap<string, T> =>
    new Map(sources.flatMap((source, i) => [...source.value].map(([key, value]) => [`${i} ${key}`, value] as const)))
  const united = new Publisher(unite())
  for (const source of sources) source.subscribe(() => united.publish(unite()))
  return united
}

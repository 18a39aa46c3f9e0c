/**
 * A bounded queue between a synchronous producer and one asynchronous consumer.
 * push() answers false when the queue is full: the producer decides what overflow means.
 */
export class AsyncQueue<T> implements AsyncIterable<T> {
  readonly #limit: number
  #items: T[] = []
  #head = 0
  #wake: (() => void) | undefined
  #ended = false
  #error: unknown

  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit
  }
  get length(): number {
    return this.#items.length - this.#head
  }
  push(item: T): boolean {
    if (this.#ended) return false
    if (this.length >= this.#limit) return false
    this.#items.push(item)
    this.#wake?.()
    return true
  }
  /** What is queued is still delivered; then the iteration ends, or throws error. */
  end(error?: unknown): void {
    if (this.#ended) return
    this.#ended = true
    this.#error = error
    this.#wake?.()
  }
  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    try {
      for (;;) {
        while (this.#head < this.#items.length) {
          const item = this.#items[this.#head++]!
          if (this.#head === this.#items.length) {
            this.#items = []
            this.#head = 0
          }
          yield item
        }
        if (this.#ended) {
          if (this.#error !== undefined) throw this.#error
          return
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
        this.#wake = undefined
      }
    } finally {
      this.#ended = true
      this.#items = []
      this.#head = 0
    }
  }
}

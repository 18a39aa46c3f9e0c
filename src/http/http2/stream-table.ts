/**
 * The open streams of a connection, by number. Not a Map: a Map that changes all the time leaves tables behind that point
 * to the next one each; once one of them is in the old generation, all after it, with the requests they held, survive
 * until a full collection, and young collections take twenty times as long.
 *
 * Callers: http2/server-session.ts, proxy/http2-client.ts.
 *
 * Open addressing with linear probing; numbers are odd and grow, so that neighbours seldom meet.
 */
const MIN_SLOTS = 16

export class StreamTable<T extends { readonly id: number }> {
  #slots: (T | undefined)[] = emptySlots(MIN_SLOTS)
  size = 0

  get(id: number): T | undefined {
    return this.#slots[this.#find(id)]
  }
  /** Adds a stream whose number is not in the table yet. */
  add(stream: T): void {
    if (2 * (this.size + 1) > this.#slots.length) this.#resize(2 * this.#slots.length)
    this.#slots[this.#find(stream.id)] = stream
    this.size++
  }
  /** @returns whether it was there. */
  delete(id: number): boolean {
    const slots = this.#slots
    const mask = slots.length - 1
    let hole = this.#find(id)
    if (slots[hole] === undefined) return false
    slots[hole] = undefined
    this.size--
    // Those behind move up, unless they stand where they belong or behind it.
    for (let at = (hole + 1) & mask; slots[at] !== undefined; at = (at + 1) & mask) {
      const home = (slots[at]!.id >>> 1) & mask
      if (((at - home) & mask) < ((at - hole) & mask)) continue
      slots[hole] = slots[at]
      slots[at] = undefined
      hole = at
    }
    if (this.size === 0 && slots.length > MIN_SLOTS) this.#slots = emptySlots(MIN_SLOTS)
    return true
  }
  /** A copy: streams come and go while it is walked through. */
  all(): T[] {
    return this.#slots.filter((stream) => stream !== undefined)
  }

  #find(id: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    let at = (id >>> 1) & mask
    while (slots[at] !== undefined && slots[at]!.id !== id) at = (at + 1) & mask
    return at
  }
  #resize(length: number): void {
    const before = this.#slots
    this.#slots = emptySlots(length)
    for (const stream of before) if (stream !== undefined) this.#slots[this.#find(stream.id)] = stream
  }
}

function emptySlots<T>(length: number): (T | undefined)[] {
  return Array.from({ length }, () => undefined)
}

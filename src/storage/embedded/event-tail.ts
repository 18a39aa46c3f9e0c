/** The latest events in memory, so that watches that keep up do not read the disk. Bounded in number and bytes. */
import type { Revision, StorageEvent } from '../storage.ts'

const MOST_EVENTS = 1000
const MOST_BYTES = 8 * 1024 * 1024

export class EventTail {
  #events: StorageEvent[] = []
  #bytes = 0
  /** Every event after this revision is here, one for each revision. */
  #start: Revision = 0

  reset(start: Revision): void {
    this.#events = []
    this.#bytes = 0
    this.#start = start
  }

  append(events: readonly StorageEvent[]): void {
    for (const event of events) {
      this.#events.push(event)
      this.#bytes += sizeOf(event)
    }
    if (this.#events.length <= MOST_EVENTS && this.#bytes <= MOST_BYTES) return
    let dropped = 0
    // Down to half, so that this is rare.
    while (this.#events.length - dropped > MOST_EVENTS / 2 || this.#bytes > MOST_BYTES / 2) {
      this.#bytes -= sizeOf(this.#events[dropped++]!)
    }
    this.#start = this.#events[dropped - 1]!.revision
    this.#events = this.#events.slice(dropped)
  }

  compact(upTo: Revision): void {
    if (upTo <= this.#start) return
    const kept = this.#events.filter((e) => e.revision > upTo)
    this.reset(upTo)
    this.append(kept)
  }

  /** @returns undefined when they are not all here. */
  after(revision: Revision, limit: number): readonly StorageEvent[] | undefined {
    if (revision < this.#start) return undefined
    const from = revision - this.#start
    return this.#events.slice(from, from + limit)
  }
}

const sizeOf = (e: StorageEvent): number => 200 + (e.value?.length ?? 0) + (e.previous?.length ?? 0)

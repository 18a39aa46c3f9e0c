/**
 * The frames of the event that is being given to watches: made once for all of them. An event is given to all its watches
 * before the next one is, so that this much is worth to be kept, and no more.
 *
 * Callers: watch-encoder.ts. Each store of a resource has one.
 */
import type { Item } from '../registry/list-reader.ts'

export class LatestFrames {
  #item: Item | undefined
  readonly #frames = new Map<string, Uint8Array>()

  /** @param form names version and encoding. */
  of(item: Item, form: string, encode: () => Uint8Array): Uint8Array {
    if (item !== this.#item) {
      this.#item = item
      this.#frames.clear()
    }
    const known = this.#frames.get(form)
    if (known) return known
    const frame = encode()
    this.#frames.set(form, frame)
    return frame
  }
}

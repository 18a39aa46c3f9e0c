/**
 * The streams that this side reset last, by number: more than a client can have under way that has not heard of it.
 *
 * Callers: http2/server-session.ts. Asked only where a frame comes too late, so that a walk through all is cheap enough.
 */
const MAX_KEPT = 1_024

export class RecentStreams {
  readonly #ids: number[] = []
  #next = 0

  add(id: number): void {
    this.#ids[this.#next] = id
    this.#next = (this.#next + 1) % MAX_KEPT
  }
  has(id: number): boolean {
    return this.#ids.includes(id)
  }
}

/**
 * The body of an answer, from the connection that pushes it to the reader who pulls it.
 *
 * Owns:    the pieces that were not read yet, a few of them: then the connection is told to wait.
 * Callers: transport.ts, one per answer.
 */
import type { Cancel, Clock } from '../../lib/clock.ts'
import { UpstreamError } from '../upstream.ts'

export interface AnswerBodyOptions {
  readonly clock: Clock
  /** Ms that a reader waits for the next piece. */
  readonly idleTimeoutMs: number | undefined
  readonly maxBytes: number
  /** The connection may push again. */
  readonly resume: () => void
  /** The connection is not wanted any more: its reader left (undefined), or something is wrong. */
  readonly giveUp: (error: UpstreamError | undefined) => void
}
/** Unread bytes above which the connection waits. */
const HELD_BYTES = 65_536

type End = { readonly kind: 'whole' } | { readonly kind: 'failed'; readonly error: unknown }

export class AnswerBody implements AsyncIterableIterator<Uint8Array, undefined> {
  readonly #o: AnswerBodyOptions
  readonly #pieces: Uint8Array[] = []
  #held = 0
  #received = 0
  #paused = false
  #end: End | undefined
  #wake: (() => void) | undefined

  constructor(o: AnswerBodyOptions) {
    this.#o = o
  }
  [Symbol.asyncIterator](): this {
    return this
  }

  /** @returns false: no more before resume(). */
  push(piece: Uint8Array): boolean {
    const { maxBytes, giveUp } = this.#o
    this.#received += piece.length
    if (this.#received > maxBytes) {
      giveUp(new UpstreamError('stream', `the answer is longer than ${maxBytes} bytes`))
      return true
    }
    this.#pieces.push(piece)
    this.#held += piece.length
    this.#wake?.()
    this.#paused = this.#held > HELD_BYTES
    return !this.#paused
  }
  finish(): void {
    this.#end ??= { kind: 'whole' }
    this.#wake?.()
  }
  /** What came before the failure is still read. */
  fail(error: unknown): void {
    this.#end ??= { kind: 'failed', error }
    this.#wake?.()
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    for (;;) {
      const piece = this.#pieces.shift()
      if (piece) {
        this.#held -= piece.length
        return { done: false, value: piece }
      }
      if (this.#end?.kind === 'failed') throw this.#end.error
      if (this.#end) return { done: true, value: undefined }
      if (this.#paused) {
        this.#paused = false
        this.#o.resume()
      }
      if (this.#pieces.length === 0 && this.#end === undefined) await this.#more()
    }
  }
  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    if (!this.#end) {
      this.finish()
      this.#o.giveUp(undefined)
    }
    this.#pieces.length = 0
    return { done: true, value: undefined }
  }

  async #more(): Promise<void> {
    const { clock, idleTimeoutMs, giveUp } = this.#o
    let cancel: Cancel = () => {}
    if (idleTimeoutMs !== undefined)
      cancel = clock.after(idleTimeoutMs, () =>
        giveUp(new UpstreamError('stream', `nothing came for ${idleTimeoutMs} ms`, { timedOut: true })),
      )
    await new Promise<void>((resolve) => {
      this.#wake = resolve
    })
    this.#wake = undefined
    cancel()
  }
}

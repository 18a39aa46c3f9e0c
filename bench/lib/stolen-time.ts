/** When the hypervisor took a core away: what was measured at such a moment tells of a neighbour, not of a server. */
import { stolenSeconds } from './server-process.ts'

const SAMPLE_MS = 50
/** What had to wait in such a moment is answered after it. */
const RECOVERY_MS = 100

export class StolenTime implements Disposable {
  readonly #first = stolenSeconds()
  readonly #startedMs = Date.now()
  readonly #moments: { fromMs: number; toMs: number }[] = []
  readonly #timer: NodeJS.Timeout
  #lastMs = this.#startedMs
  #last = total(this.#first)

  constructor() {
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS)
  }
  /** Times since the epoch in ms. @returns whether a core was taken between them, or just before. */
  touches(fromMs: number, toMs: number): boolean {
    return this.#moments.some((m) => m.fromMs < toMs && fromMs < m.toMs + RECOVERY_MS)
  }
  /** The share of the more troubled core that was taken. */
  share(): number {
    const seconds = (Date.now() - this.#startedMs) / 1_000
    return Math.max(...stolenSeconds().map((s, core) => s - this.#first[core]!)) / seconds
  }
  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #sample(): void {
    const [nowMs, now] = [Date.now(), total(stolenSeconds())]
    if (now > this.#last) this.#moments.push({ fromMs: this.#lastMs, toMs: nowMs })
    this.#lastMs = nowMs
    this.#last = now
  }
}

function total(seconds: readonly number[]): number {
  return seconds.reduce((sum, s) => sum + s, 0)
}

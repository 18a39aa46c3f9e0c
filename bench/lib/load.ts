/** Requests at a steady rate whose answers nobody waits for: some may hang. */
import { setTimeout as pause } from 'node:timers/promises'
import type { H2Client } from './h2-client.ts'
import { percentile, round } from './server-process.ts'

export interface Seen {
  /** How often each status came in a second of load. */
  readonly perSecond: Readonly<Record<string, number>>
  /** In ms, of 429 and 503. */
  readonly refusedP99?: number
}
const TICK_MS = 2
/** What is late is made up for little by little: all at once would be another load than a steady one. */
const MAX_TIMES_RATE = 2

export class Load {
  readonly #client: H2Client
  readonly #perSecond: number
  readonly #statuses: Record<string, number> = {}
  readonly #refusedMs: number[] = []
  #seconds = 0

  constructor(client: H2Client, perSecond: number) {
    this.#client = client
    this.#perSecond = perSecond
  }
  async run(path: string, ms: number): Promise<void> {
    const startedMs = performance.now()
    let sent = 0
    for (let [lastMs, nowMs] = [startedMs, startedMs]; nowMs - startedMs < ms; lastMs = nowMs) {
      await pause(TICK_MS)
      nowMs = performance.now()
      const due = ((nowMs - startedMs) * this.#perSecond) / 1_000 - sent
      const atMost = (Math.min(nowMs - lastMs, 2 * TICK_MS) * this.#perSecond * MAX_TIMES_RATE) / 1_000
      for (let left = Math.min(due, atMost); left > 0; left--, sent++) void this.#send(path)
    }
    this.#seconds += (performance.now() - startedMs) / 1_000
  }
  seen(): Seen {
    const rates = Object.entries(this.#statuses).map(([status, n]) => [status, Math.round(n / this.#seconds)] as const)
    const refused = this.#refusedMs
    return {
      perSecond: Object.fromEntries(rates),
      ...(refused.length > 0 && { refusedP99: round(percentile(refused, 0.99), 1) }),
    }
  }

  async #send(path: string): Promise<void> {
    const startedMs = performance.now()
    const outcome = await this.#client.send('GET', path).then(
      ({ status }) => status,
      () => 'error',
    )
    this.#statuses[outcome] = (this.#statuses[outcome] ?? 0) + 1
    if (outcome === 429 || outcome === 503) this.#refusedMs.push(performance.now() - startedMs)
  }
}

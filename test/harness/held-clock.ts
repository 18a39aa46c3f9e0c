/**
 * A clock that runs as others do until it is held; from then on a test moves it by hand. A server starts and finds its
 * backends while it runs; what takes how long is then asked to the millisecond, however slow the machine is.
 *
 * Callers: tests hand it to startTestServer(), which lets it run while the server stops, and ends it.
 */
import type { Cancel, Clock } from '../../src/lib/clock.ts'
import { FakeClock } from '../../src/lib/fake-clock.ts'
import type { TestServer } from './server.ts'

const TICK_MS = 2

export class HeldClock implements Clock {
  readonly #time = new FakeClock(Date.now())
  #seenMs = performance.now()
  #ticking: ReturnType<typeof setInterval> | undefined = setInterval(() => this.#tick(), TICK_MS)

  now(): number {
    return this.#time.now()
  }
  monotonicMs(): number {
    return this.#time.monotonicMs()
  }
  after(delayMs: number, fn: () => void): Cancel {
    return this.#time.after(delayMs, fn)
  }
  hold(): void {
    clearInterval(this.#ticking)
    this.#ticking = undefined
  }
  /** Again. */
  run(): void {
    if (this.#ticking !== undefined) return
    this.#seenMs = performance.now()
    this.#ticking = setInterval(() => this.#tick(), TICK_MS)
  }
  /** While it is held. */
  advance(ms: number): void {
    this.#time.advance(ms)
  }

  #tick(): void {
    const nowMs = performance.now()
    this.#time.advance(nowMs - this.#seenMs)
    this.#seenMs = nowMs
  }
}

/**
 * Moves a held clock in steps, with requests to the server in between: what is alive answers the server's pings.
 * @returns how much time passed until it was enough, or all of it.
 */
export async function passLively(
  portico: TestServer,
  clock: HeldClock,
  ms: number,
  o: { readonly stepMs?: number; readonly enough?: () => boolean | Promise<boolean> } = {},
): Promise<number> {
  const { stepMs = 250, enough = () => false } = o
  for (let passed = 0; passed < ms; passed += stepMs) {
    if (await enough()) return passed
    clock.advance(Math.min(stepMs, ms - passed))
    for (let i = 0; i < 3; i++) await portico.admin.get('/livez')
  }
  return ms
}

/**
 * Keeps availability from flapping: a change of mind needs several probes in a row, a hard fact needs one.
 *
 *   available --3 failed probes in a row--> unavailable --2 passed in a row--> available
 */
import { type ProbeSettings, defaultProbe } from '../policy/effective-policy.ts'

export type DampingRules = Pick<ProbeSettings, 'failureThreshold' | 'successThreshold'>

export class Damping {
  /** Results in a row that speak against what is believed. */
  readonly #against = new Map<string, number>()

  /** Keys that are in doubt. */
  get size(): number {
    return this.#against.size
  }
  /** Whether the last probe spoke against what is believed. */
  doubts(key: string): boolean {
    return this.#against.has(key)
  }
  /**
   * @param believed what is said so far; undefined: nothing yet, and the first probe decides.
   * @returns whether the probe's result is to be believed now.
   */
  accepts(key: string, believed: boolean | undefined, passed: boolean, rules: DampingRules = defaultProbe): boolean {
    if (believed === undefined || believed === passed) {
      this.#against.delete(key)
      return true
    }
    const count = (this.#against.get(key) ?? 0) + 1
    const enough = count >= (passed ? rules.successThreshold : rules.failureThreshold)
    if (enough) this.#against.delete(key)
    else this.#against.set(key, count)
    return enough
  }
  forget(key: string): void {
    this.#against.delete(key)
  }
}

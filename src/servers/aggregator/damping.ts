/**
 * Keeps availability from flapping: a change of mind needs several probes in a row, a hard fact needs one.
 *
 *   available --3 failed probes in a row--> unavailable --2 passed in a row--> available
 */
export interface DampingRules {
  readonly failuresToFall: number
  readonly passesToRise: number
}
export const defaultDamping: DampingRules = { failuresToFall: 3, passesToRise: 2 }

export class Damping {
  readonly #rules: DampingRules
  /** In a row, against what is believed. */
  readonly #against = new Map<string, number>()

  constructor(rules: DampingRules = defaultDamping) {
    this.#rules = rules
  }
  /**
   * @param believed what is said so far; undefined: nothing yet, and the first probe decides.
   * @returns whether the probe's result is to be believed now.
   */
  accepts(key: string, believed: boolean | undefined, passed: boolean): boolean {
    if (believed === undefined || believed === passed) {
      this.#against.delete(key)
      return true
    }
    const count = (this.#against.get(key) ?? 0) + 1
    const enough = count >= (passed ? this.#rules.passesToRise : this.#rules.failuresToFall)
    if (enough) this.#against.delete(key)
    else this.#against.set(key, count)
    return enough
  }
  forget(key: string): void {
    this.#against.delete(key)
  }
}

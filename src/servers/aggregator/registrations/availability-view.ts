/**
 * What this process itself found out about each backend. Requests are routed by it, whatever another replica sees.
 *
 * Owns:     the last verdict per APIService; until there is one, the stored condition stands in. What is known of the
 *           servers that routes lead to.
 * Callers:  availability-controller.ts and routed-backend-controller.ts set it, each for servers of its own; backends
 *           (as `Verdicts`), discovery, OpenAPI and `/readyz/apiservices/` read it.
 */
import { type APIService, availableCondition } from '../../../api/apiservice.ts'
import type { Target } from '../../../proxy/reach/target.ts'
import type { Verdicts } from '../backends/backend-surroundings.ts'
import type { Verdict } from './availability-check.ts'
import type { ObservedPhase } from '../backends/passive-signals.ts'

interface OwnVerdict {
  readonly uid: string | undefined
  readonly verdict: Verdict
  readonly phase: ObservedPhase | undefined
}

export class AvailabilityView implements Verdicts {
  readonly #stored: (name: string) => APIService | undefined
  /** By name; the uid tells an APIService that was made anew. */
  readonly #own = new Map<string, OwnVerdict>()
  readonly #problems = new WeakMap<Target, string>()
  readonly #subscribers = new Set<(name: string) => void>()

  /** @param stored the newest APIService of that name: a caller may hold one from before a change of its status. */
  constructor(stored: (name: string) => APIService | undefined = () => undefined) {
    this.#stored = stored
  }
  get size(): number {
    return this.#own.size
  }
  own(apiService: APIService): Verdict | undefined {
    return this.#of(apiService)?.verdict
  }
  /** Where the last verdict's probe failed. */
  failingPhase(apiService: APIService): ObservedPhase | undefined {
    return this.#of(apiService)?.phase
  }
  #of({ metadata }: APIService): OwnVerdict | undefined {
    const found = this.#own.get(metadata.name!)
    return found?.uid === metadata.uid ? found : undefined
  }
  current(apiService: APIService): Verdict | undefined {
    const own = this.own(apiService)
    if (own) return own
    const stored = this.#stored(apiService.metadata.name!)
    return availableCondition(stored?.metadata.uid === apiService.metadata.uid ? stored! : apiService)
  }
  isAvailable(apiService: APIService): boolean {
    return this.isKnownAvailable(apiService) === true
  }
  /** undefined: neither this process nor another has looked yet. */
  isKnownAvailable(apiService: APIService): boolean | undefined {
    const verdict = this.current(apiService)
    return verdict && verdict.status === 'True'
  }
  set(apiService: APIService, verdict: Verdict, phase: ObservedPhase | undefined): void {
    const name = apiService.metadata.name!
    const before = this.own(apiService)
    this.#own.set(name, { uid: apiService.metadata.uid, verdict, phase })
    if (before?.status !== verdict.status) for (const changed of this.#subscribers) changed(name)
  }
  forget(name: string): void {
    this.#own.delete(name)
  }
  problemOf(target: Target): string | undefined {
    return this.#problems.get(target)
  }
  /** @param problem undefined: its probes pass. */
  setProblem(target: Target, problem: string | undefined): void {
    if (problem === undefined) this.#problems.delete(target)
    else this.#problems.set(target, problem)
  }
  /** Called with the name when the first verdict is there and with each one of another status. */
  subscribe(changed: (name: string) => void): () => void {
    this.#subscribers.add(changed)
    return () => this.#subscribers.delete(changed)
  }
}

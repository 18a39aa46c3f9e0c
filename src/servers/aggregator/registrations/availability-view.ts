/**
 * What this process itself found out about each backend. Requests are routed by it, whatever another replica sees.
 *
 * Owns:     the last verdict per APIService; until there is one, the stored condition stands in.
 * Callers:  availability-controller.ts sets it; registration, discovery, OpenAPI and `/readyz/apiservices/` read it.
 */
import { type APIService, availableCondition } from '../../../api/apiservice.ts'
import type { Verdict } from './availability-check.ts'
import type { ObservedPhase } from '../backends/passive-signals.ts'

interface OwnVerdict {
  readonly uid: string | undefined
  readonly verdict: Verdict
  readonly phase: ObservedPhase | undefined
}

export class AvailabilityView {
  /** By name; the uid tells an APIService that was made anew. */
  readonly #own = new Map<string, OwnVerdict>()
  readonly #subscribers = new Set<(name: string) => void>()

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
    return this.own(apiService) ?? availableCondition(apiService)
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
  /** Called with the name when the first verdict is there and with each one of another status. */
  subscribe(changed: (name: string) => void): () => void {
    this.#subscribers.add(changed)
    return () => this.#subscribers.delete(changed)
  }
}

/**
 * Finds backends that believe identity headers of any client: a client that reaches such a backend in the network can claim to be any user.
 * Each backend is asked for one harmless list without our front-proxy certificate: once without an identity and once with forged headers.
 *
 * Owns:     the condition AuthBypassable. One replica asks for all.
 * Callers:  the manager of controllers runs it over the names of APIServices while this replica leads.
 * Not here: the two questions (diagnosis/identity-phase.ts).
 */
import type { APIService } from '../../../api/apiservice.ts'
import { pathOf } from '../../../api/group-version.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../../client/controller.ts'
import type { Informer } from '../../../client/informer.ts'
import type { WorkQueue } from '../../../client/work-queue.ts'
import type { ResourceDiscovery } from '../../../endpoints/discovery-types.ts'
import type { Published } from '../../../lib/published.ts'
import type { Logger } from '../../../observability/logger.ts'
import { type APIServiceTable, onNewBackend } from '../registrations/apiservice-table.ts'
import type { AvailabilityView } from '../registrations/availability-view.ts'
import type { ConditionWriter, WantedCondition } from '../registrations/condition-writer.ts'
import type { Target } from '../../../proxy/reach/target.ts'
import { type StrangerAnswers, askAsStranger } from './identity-phase.ts'

const AUTH_BYPASSABLE = 'AuthBypassable'
/** While it is not known what the backend offers. */
const LOOK_AGAIN_MS = 1000
const TIMEOUT_MS = 10_000

export interface IdentityControllerOptions {
  readonly informer: Pick<Informer<APIService>, 'lister'>
  readonly table: Published<APIServiceTable>
  readonly queue: WorkQueue
  readonly view: AvailabilityView
  readonly conditions: Pick<ConditionWriter, 'want'>
  readonly discovery: { state(name: string): { isCurrent: boolean; resources: readonly ResourceDiscovery[] } }
  /** 0: never. */
  readonly intervalMs: number
  readonly log: Logger
}

export class IdentityController implements Reconciler {
  readonly #o: IdentityControllerOptions

  constructor(o: IdentityControllerOptions) {
    this.#o = o
    onNewBackend(o.table, ({ metadata }) => this.#wake(metadata.name!))
    o.view.subscribe((name) => this.#wake(name))
  }

  /** This process leads: it asks all of them. */
  termBegins(): void {
    for (const { apiService } of this.#o.table.value.entries) this.#wake(apiService.metadata.name!)
  }

  #wake(name: string): void {
    if (this.#o.intervalMs > 0) this.#o.queue.add(name)
  }

  async reconcile(name: string, signal: AbortSignal): Promise<ReconcileResult> {
    const apiService = this.#o.informer.lister.get(name)
    const { group = '', version = '' } = apiService?.spec ?? {}
    const backend = this.#o.table.value.get(group, version)?.backend
    // A backend that is not available or has no APIService any more wakes this key when that changes.
    if (!apiService || !backend?.isRemote || !this.#o.view.isAvailable(apiService)) return DONE
    const { isCurrent, resources } = this.#o.discovery.state(name)
    if (!isCurrent) return { kind: 'requeue', afterMs: LOOK_AGAIN_MS }
    const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
    const found = await Promise.all(
      [...backend.destinations].map(async ([server, target]) => {
        const { routing } = backend.policy
        const its = resources.filter((r) => (routing.owners.get(r.resource) ?? routing.fallback) === server)
        const path = harmlessPath(apiService, its.length > 0 ? its : resources)
        return this.#ask(name, target, path, limited)
      }),
    )
    const condition = worstOf(found)
    if (condition) this.#o.conditions.want(apiService, condition)
    return { kind: 'requeue', afterMs: this.#o.intervalMs }
  }

  async #ask(
    apiService: string,
    target: Pick<Target, 'addresses' | 'pathPrefix' | 'text'>,
    path: string,
    signal: AbortSignal,
  ): Promise<WantedCondition | undefined> {
    try {
      const [first] = target.addresses()
      const stranger = { ...first!, tls: first!.tls?.anonymous() }
      return conditionOf(await askAsStranger({ stranger, pathPrefix: target.pathPrefix, path, signal }), target.text)
    } catch (error) {
      const who = { apiService, backend: target.text, error }
      this.#o.log.verbose?.('the identity check of a backend could not be probed', who)
      return undefined
    }
  }
}

/** The result over several servers. A single server that believes any client is enough; that all are well is known only when each was asked. */
export function worstOf(found: readonly (WantedCondition | undefined)[]): WantedCondition | undefined {
  const bypassable = found.find((c) => c?.status === 'True')
  return bypassable ?? (found.includes(undefined) ? undefined : found[0])
}

/** A list of at most one object, or the discovery document where nothing can be listed. */
export function harmlessPath({ spec }: APIService, resources: readonly ResourceDiscovery[]): string {
  const root = pathOf(spec)
  const listable = resources.find((r) => r.verbs.includes('list'))?.resource
  return listable === undefined ? root : `${root}/${encodeURIComponent(listable)}?limit=1`
}

/**
 * @param server in words. @returns undefined where the answers prove nothing: 404 and 500 say that something is not there
 *   or not well, not who may have it.
 */
export function conditionOf({ anonymous, forged }: StrangerAnswers, server: string): WantedCondition | undefined {
  const type = AUTH_BYPASSABLE
  if (succeeded(anonymous)) {
    const message = `${server} serves what was asked to anybody who reaches it, and forged headers gain nothing`
    return { type, status: 'False', reason: 'AnonymousServed', message }
  }
  if (succeeded(forged)) {
    const message = `${server} believes identity headers of anybody, without our front-proxy certificate: it answered ${forged} to forged ones and ${anonymous} to none`
    return { type, status: 'True', reason: 'ForgedIdentityAccepted', message }
  }
  if (typeof forged === 'number' && REFUSALS.has(forged)) {
    const message = `${server} answers ${forged} to forged identity headers without our front-proxy certificate`
    return { type, status: 'False', reason: 'ForgedIdentityRefused', message }
  }
  return undefined
}

/** 400: as servers answer that miss a client certificate. */
const REFUSALS = new Set([400, 401, 403, 407])
const succeeded = (answer: number | string): boolean => typeof answer === 'number' && answer >= 200 && answer < 300

/**
 * Derives the APIServices of the group versions that this process serves itself.
 * An APIService that is deleted or changed comes back at once. An APIService without our label is left to its owner.
 */
import { isStale } from '../../../client/is-stale.ts'
import { type APIService, APISERVICES, apiServiceName } from '../../../api/apiservice.ts'
import type { ResourceClient } from '../../../client/client.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../../client/controller.ts'
import type { Informer } from '../../../client/informer.ts'
import type { Lister } from '../../../client/object-store.ts'
import type { WorkQueue } from '../../../client/work-queue.ts'
import type { Delegate } from '../../generic/delegate.ts'

/** A label, as kube-aggregator's, which looks after `onstart` when it starts and after `true` always. Here both are kept in step. */
export const AUTOMANAGED = 'kube-aggregator.kubernetes.io/automanaged'

/** A source of group versions. A server elsewhere does not tell at once what it serves. */
export type RegisteredServer = Pick<Delegate, 'discovery' | 'installed'>
type Registrations = Pick<Informer<APIService>, 'addHandler'> & { readonly lister: Pick<Lister<APIService>, 'get'> }
type Writer = Pick<ResourceClient<APIService>, 'create' | 'update' | 'delete'>
const NOT_YET: ReconcileResult = { kind: 'requeue', afterMs: 1000 }

export class AutoRegistration implements Reconciler {
  readonly #informer: Registrations
  readonly #client: Writer
  readonly #queue: WorkQueue
  readonly #sources: readonly RegisteredServer[]
  #desired = new Map<string, APIService['spec']>()
  readonly #missing = new Set<string>()

  constructor(o: {
    informer: Registrations
    client: Writer
    queue: WorkQueue
    sources: readonly RegisteredServer[]
  }) {
    this.#informer = o.informer
    this.#client = o.client
    this.#queue = o.queue
    this.#sources = o.sources
    this.#derive()
    for (const { discovery } of o.sources) discovery.subscribe(() => this.#derive())
    const wake = (a: APIService): void => void this.#queue.add(a.metadata.name!)
    o.informer.addHandler({ added: wake, updated: (_before, after) => wake(after), deleted: wake })
  }
  /** The text of the failed check autoregister-completion; undefined: it passes. */
  get problem(): string | undefined {
    return this.#missing.size === 0 ? undefined : `missing APIService: [${[...this.#missing].sort().join(' ')}]`
  }

  #derive(): void {
    const desired = new Map<string, APIService['spec']>()
    for (const { group, versions } of this.#sources.flatMap((s) => s.discovery.value)) {
      if (group === APISERVICES.group) continue // what all are registered in has none itself, as upstream
      for (const v of versions) {
        const name = apiServiceName(group, v.version)
        if (desired.has(name)) continue // the first server that has a group version says how it ranks
        desired.set(name, {
          ...(group === '' ? {} : { group }),
          version: v.version,
          groupPriorityMinimum: v.groupPriority,
          versionPriority: v.versionPriority,
        })
      }
    }
    const before = this.#desired
    this.#desired = desired
    for (const name of new Set([...before.keys(), ...desired.keys()])) {
      if (desired.has(name) && !before.has(name)) this.#missing.add(name)
      if (!desired.has(name)) this.#missing.delete(name)
      this.#queue.add(name)
    }
  }

  async reconcile(name: string): Promise<ReconcileResult> {
    const desired = this.#desired.get(name)
    const current = this.#informer.lister.get(name)
    const label = current?.metadata.labels?.[AUTOMANAGED]
    const managed = label === 'true' || label === 'onstart'
    try {
      if (desired && !current) await this.#client.create(localAPIService(name, desired))
      else if (desired && current && managed && !sameSpec(current.spec, desired))
        await this.#client.update({ ...current, spec: desired })
      else if (!desired && current && managed) {
        // A server that did not tell yet may well serve it, as it did before our restart.
        if (!this.#sources.every((s) => s.installed.value)) return NOT_YET
        const { uid } = current.metadata
        await this.#client.delete(name, uid === undefined ? {} : { preconditions: { uid } })
      } else if (desired) this.#missing.delete(name)
    } catch (e) {
      // Our copy is a step behind: the event that brings it up to date wakes this key again.
      if (!isStale(e)) throw e
    }
    return DONE
  }
}

function localAPIService(name: string, spec: APIService['spec']): APIService {
  return {
    kind: 'APIService',
    apiVersion: 'apiregistration.k8s.io/v1',
    metadata: { name, labels: { [AUTOMANAGED]: 'onstart' } },
    spec,
  }
}

function sameSpec(a: APIService['spec'], b: APIService['spec']): boolean {
  return (
    a.service === undefined &&
    (a.group ?? '') === (b.group ?? '') &&
    a.version === b.version &&
    a.groupPriorityMinimum === b.groupPriorityMinimum &&
    a.versionPriority === b.versionPriority
  )
}

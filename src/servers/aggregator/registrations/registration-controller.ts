/**
 * Keeps the table of APIServices in step with the stored ones.
 *
 * Owns:     the table and the backends in it; a backend is made anew when its spec or its policy changes.
 * Callers:  wire-aggregator starts it; everything else reads `table`.
 *
 * Changes are gathered: a thousand of them at once make one new table.
 */
import type { APIService } from '../../../api/apiservice.ts'
import type { Informer } from '../../../client/informer.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../../client/controller.ts'
import type { WorkQueue } from '../../../client/work-queue.ts'
import { Deferred } from '../../../lib/deferred.ts'
import { Publisher } from '../../../lib/published.ts'
import { APIServiceTable, type TableEntry } from './apiservice-table.ts'
import { Backend } from '../backends/backend.ts'
import type { BackendSurroundings } from '../backends/backend-surroundings.ts'
import type { Policies } from '../policy/policies.ts'

/** All work is one key: the table is made as a whole. */
const TABLE = 'table'

export class RegistrationController implements Reconciler {
  readonly table = new Publisher(new APIServiceTable([]))
  /** The first table with everything stored is in place. */
  readonly initiated = new Deferred()
  readonly #informer: Informer<APIService>
  readonly #queue: WorkQueue
  readonly #policies: Policies
  readonly #around: BackendSurroundings
  readonly #backends = new Map<string, { apiService: APIService; backend: Backend }>()

  constructor(o: {
    informer: Informer<APIService>
    queue: WorkQueue
    policies: Policies
    backends: BackendSurroundings
  }) {
    this.#informer = o.informer
    this.#queue = o.queue
    this.#policies = o.policies
    this.#around = o.backends
    const wake = (): void => void this.#queue.add(TABLE)
    o.informer.addHandler({ added: wake, updated: wake, deleted: wake })
    o.policies.list.subscribe(wake)
    const secure = (): void => {
      for (const { backend } of this.#backends.values()) backend.securityChanged()
    }
    o.backends.clientCertificate.subscribe(secure)
    o.backends.material.onChange(secure)
    wake()
  }
  /** A Service or one of its slices changed. */
  serviceChanged(namespace: string, name: string): void {
    for (const { backend } of this.#backends.values()) if (backend.uses(namespace, name)) backend.refresh()
  }

  /** Nothing is kept in step any more; what runs goes on. */
  stop(): void {
    for (const { backend } of this.#backends.values()) backend.stop()
  }

  async reconcile(): Promise<ReconcileResult> {
    const entries = this.#informer.lister.list().map((o) => this.#entryOf(o))
    const names = new Set(entries.filter((e) => e.backend).map((e) => e.apiService.metadata.name!))
    for (const [name, { backend }] of this.#backends) {
      if (names.has(name)) continue
      this.#backends.delete(name)
      backend.retire()
      this.#around.metrics.forget(name)
      this.#around.watchLists.forget(name)
    }
    this.table.publish(new APIServiceTable(entries))
    if (this.#informer.hasSynced) this.initiated.resolve()
    return DONE
  }

  #entryOf(apiService: APIService): TableEntry {
    const { group = '', version = '', service } = apiService.spec
    const { policy } = this.#policies.for(apiService)
    if (!service && policy.backends.size === 0) return { apiService, group, version, backend: undefined }
    const backend = this.#backendOf(apiService)
    return { apiService, group, version, backend }
  }

  /** The same backend while neither its spec nor its policy changes: it may have requests under way. */
  #backendOf(apiService: APIService): Backend {
    const name = apiService.metadata.name!
    const { policy } = this.#policies.for(apiService)
    const known = this.#backends.get(name)
    const same = known !== undefined && known.apiService.metadata.uid === apiService.metadata.uid
    if (same && known.backend.policy.key === policy.key && sameTarget(known.apiService, apiService))
      return known.backend
    if (!same) known?.backend.retire()
    this.#around.watchLists.forget(name)
    const backend = new Backend(apiService, policy, this.#around, same ? known.backend : undefined)
    this.#backends.set(name, { apiService, backend })
    return backend
  }
}

function sameTarget(a: APIService, b: APIService): boolean {
  const { service: x, caBundle, insecureSkipTLSVerify } = a.spec
  const { service: y } = b.spec
  const sameService = x?.namespace === y?.namespace && x?.name === y?.name && x?.port === y?.port
  return sameService && caBundle === b.spec.caBundle && insecureSkipTLSVerify === b.spec.insecureSkipTLSVerify
}

/**
 * Keeps the table of APIServices in step with the stored ones.
 *
 * Owns:     the table and the backends in it; a backend is made anew when its spec or our certificate changes.
 * Callers:  wire-aggregator starts it; everything else reads `table`.
 *
 * Changes are gathered: a thousand of them at once make one new table.
 */
import { type APIService, isAvailable } from '../../api/apiservice.ts'
import type { Informer } from '../../client/informer.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../../client/controller.ts'
import type { WorkQueue } from '../../client/work-queue.ts'
import type { KeyPair } from '../../http/certificates.ts'
import { Deferred } from '../../lib/deferred.ts'
import { Publisher, type Published } from '../../lib/published.ts'
import { APIServiceTable, type TableEntry } from './apiservice-table.ts'
import { Backend, type BackendSurroundings } from './backend.ts'

/** All work is one key: the table is made as a whole. */
const TABLE = 'table'

export class RegistrationController implements Reconciler {
  readonly table = new Publisher(new APIServiceTable([]))
  /** The first table with everything stored is in place. */
  readonly initiated = new Deferred()
  readonly #informer: Informer<APIService>
  readonly #queue: WorkQueue
  readonly #certificate: Published<KeyPair>
  readonly #around: BackendSurroundings
  readonly #backends = new Map<string, { apiService: APIService; certificate: KeyPair; backend: Backend }>()

  constructor(o: {
    informer: Informer<APIService>
    queue: WorkQueue
    certificate: Published<KeyPair>
    backends: BackendSurroundings
  }) {
    this.#informer = o.informer
    this.#queue = o.queue
    this.#certificate = o.certificate
    this.#around = o.backends
    const wake = (): void => void this.#queue.add(TABLE)
    o.informer.addHandler({ added: wake, updated: wake, deleted: wake })
    o.certificate.subscribe(wake)
    wake()
  }

  async reconcile(): Promise<ReconcileResult> {
    const entries = this.#informer.lister.list().map((o) => this.#entryOf(o))
    const names = new Set(entries.filter((e) => e.backend).map((e) => e.apiService.metadata.name!))
    for (const name of this.#backends.keys()) {
      if (names.has(name)) continue
      this.#backends.delete(name)
      this.#around.metrics.forget(name)
    }
    this.table.publish(new APIServiceTable(entries))
    if (this.#informer.hasSynced) this.initiated.resolve()
    return DONE
  }

  #entryOf(apiService: APIService): TableEntry {
    const { group = '', version = '', service } = apiService.spec
    if (!service) return { apiService, group, version, backend: undefined }
    const backend = this.#backendOf(apiService)
    backend.available = isAvailable(apiService)
    return { apiService, group, version, backend }
  }

  /** The same backend while neither its spec nor our certificate changes: it may have requests under way. */
  #backendOf(apiService: APIService): Backend {
    const name = apiService.metadata.name!
    const certificate = this.#certificate.value
    const known = this.#backends.get(name)
    if (known?.certificate === certificate && sameTarget(known.apiService, apiService)) return known.backend
    const backend = new Backend(apiService, certificate, this.#around)
    this.#backends.set(name, { apiService, certificate, backend })
    return backend
  }
}

function sameTarget(a: APIService, b: APIService): boolean {
  if (a.metadata.uid !== b.metadata.uid) return false
  const { service: x, caBundle, insecureSkipTLSVerify } = a.spec
  const { service: y } = b.spec
  const sameService = x?.namespace === y?.namespace && x?.name === y?.name && x?.port === y?.port
  return sameService && caBundle === b.spec.caBundle && insecureSkipTLSVerify === b.spec.insecureSkipTLSVerify
}

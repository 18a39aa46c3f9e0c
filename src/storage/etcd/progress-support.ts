/** Whether every member answers progress requests truthfully; older ones name revisions that they have not sent. */
import type { Clock } from '../../lib/clock.ts'
import type { EtcdClients } from './etcd-clients.ts'

const CHECK_EVERY_MS = 60_000
const TIMEOUT_MS = 3000

export class ProgressSupport {
  readonly #clients: EtcdClients
  readonly #clock: Clock
  #proved = false
  #checked: Promise<void> = Promise.resolve()
  #checkedMs = Number.NEGATIVE_INFINITY

  constructor(clients: EtcdClients, clock: Clock) {
    this.#clients = clients
    this.#clock = clock
  }
  get proved(): boolean {
    return this.#proved
  }

  /**
   * Asks the members, at most once a minute: members are added and upgraded.
   * @returns resolves with the latest answers; who has no need of them goes on.
   */
  check(): Promise<void> {
    if (this.#clock.monotonicMs() - this.#checkedMs >= CHECK_EVERY_MS) {
      this.#checkedMs = this.#clock.monotonicMs()
      this.#checked = this.#ask().then((proved) => {
        this.#proved = proved
      })
    }
    return this.#checked
  }

  /** A member that does not answer now keeps what was proved before; it proves nothing new. */
  async #ask(): Promise<boolean> {
    const options = { deadline: Date.now() + TIMEOUT_MS } // gRPC wants the wall clock's time
    const asked = await Promise.allSettled(this.#clients.all.map((c) => c.maintenance.status(options)))
    const versions = asked.filter((a) => a.status === 'fulfilled').map((a) => a.value.version)
    const complete = versions.length === asked.length || this.#proved
    return complete && versions.every(isProved)
  }
}

/** Source: Kubernetes v1.35, storage/feature/feature_support_checker.go: 3.4.31, 3.5.13 and later. */
export function isProved(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('-', 1)[0]!.split('.').map(Number)
  if (major !== 3) return major > 3
  if (minor === 4) return patch >= 31
  if (minor === 5) return patch >= 13
  return minor > 5
}

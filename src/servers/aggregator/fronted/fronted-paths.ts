/**
 * What a fronted server says of itself beside its API: its version and the paths that it lists. Remembered while it is
 * away, since clients decide by the version.
 *
 * Callers: fronted-delegate.ts, with each look at the server's discovery.
 */
import type { Transport } from '../../../client/transport.ts'
import { readAll } from '../discovery/discovery-downloads.ts'

const JSON_ONLY = { accept: 'application/json' }

export class FrontedPaths {
  readonly #transport: Transport
  #version: object | undefined
  #listed: readonly string[] = []

  constructor(transport: Transport) {
    this.#transport = transport
  }
  /** undefined: it was never reached. */
  get version(): object | undefined {
    return this.#version
  }
  /** As `/` of the server lists them. */
  get listed(): readonly string[] {
    return this.#listed
  }
  /** What cannot be read stays as it was. */
  async refresh(signal: AbortSignal): Promise<void> {
    const [version, index] = await Promise.all(['/version', '/'].map((path) => this.#read(path, signal)))
    if (version && 'gitVersion' in version) this.#version = version
    if (index && 'paths' in index && Array.isArray(index.paths))
      this.#listed = index.paths.filter((p) => typeof p === 'string')
  }
  async #read(path: string, signal: AbortSignal): Promise<object | undefined> {
    try {
      const response = await this.#transport({ method: 'GET', path, headers: JSON_ONLY, signal })
      const text = await readAll(response)
      const value: unknown = response.status === 200 ? JSON.parse(text) : undefined
      return typeof value === 'object' && value !== null ? value : undefined
    } catch {
      return undefined
    }
  }
}

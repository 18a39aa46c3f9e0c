/**
 * Reads and writes large YAML in a thread of its own: its grammar takes many times the time of JSON's.
 *
 * Owns:    the thread, and how much may wait for it.
 * Callers: endpoints/, for what is larger than INLINE_YAML_BYTES.
 */
import type { Clock } from '../../lib/clock.ts'
import { Thread } from '../../lib/thread.ts'
import type { YamlAsJson } from './yaml-json.ts'
import { INLINE_YAML_BYTES } from './yaml-reader.ts'
import type { YamlOrder } from './yaml-worker.ts'

const IDLE_MS = 10_000
/** The largest document that is allowed takes a second on a machine of its own. */
const MAX_MS = 10_000
const MAX_HEAP_MB = 128
/** Documents that may wait, of up to 3 MiB each. */
const MAX_WAITING = 16

/** Too many documents wait already. */
export class YamlBusyError extends Error {
  override readonly name = 'YamlBusyError'
}

export class YamlThread implements AsyncDisposable {
  readonly #thread: Thread<YamlOrder, YamlAsJson | string>
  #waiting = 0

  constructor(clock: Clock) {
    this.#thread = new Thread({
      module: new URL('./yaml-worker', import.meta.url),
      name: 'yaml',
      maxHeapMb: MAX_HEAP_MB,
      idle: { clock, ms: IDLE_MS },
      limit: { clock, ms: MAX_MS },
    })
  }

  /** @returns undefined for a document that is small enough to be read where it is asked for. @throws YamlBusyError */
  async read(yaml: Uint8Array): Promise<YamlAsJson | undefined> {
    if (yaml.byteLength <= INLINE_YAML_BYTES) return undefined
    try {
      return (await this.#run({ yaml: Buffer.from(yaml).toString('utf8') })) as YamlAsJson
    } catch (e) {
      if (e instanceof YamlBusyError) throw e
      // What broke the thread took more memory or time than it may.
      return { failure: `yaml: ${(e as Error).message}` }
    }
  }

  /** @param json of one object. @throws YamlBusyError; Error where it takes too long or too much memory. */
  async write(json: string): Promise<string> {
    return (await this.#run({ json })) as string
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#thread[Symbol.asyncDispose]()
  }

  async #run(order: YamlOrder): Promise<YamlAsJson | string> {
    if (this.#waiting === MAX_WAITING) throw new YamlBusyError('too many YAML documents are being read and written')
    this.#waiting++
    try {
      return await this.#thread.run(order)
    } finally {
      this.#waiting--
    }
  }
}

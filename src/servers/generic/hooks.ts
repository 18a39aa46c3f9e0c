/** Post-start hooks: run side by side after the listener is up; each is a check until it is done. */
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../observability/logger.ts'
import type { PostStartHook } from './delegate.ts'
import type { HealthChecks } from './health.ts'

export class Hooks {
  readonly #hooks: PostStartHook[] = []
  readonly #state = new Map<string, 'pending' | 'done' | 'failed'>()

  /** Registers the hook's check; call before the listener is up. */
  add(hook: PostStartHook, health: HealthChecks, clock: Clock, livezGraceMs: number): void {
    this.#hooks.push(hook)
    this.#state.set(hook.name, 'pending')
    const check = (): string | undefined => {
      const state = this.#state.get(hook.name)
      return state === 'done' ? undefined : state === 'failed' ? 'failed' : 'not finished'
    }
    health.addBootSequence({ name: `poststarthook/${hook.name}`, check }, clock, livezGraceMs)
  }

  /** Resolves when all are done; rejects with the first that fails: the server cannot do its job then. */
  async run(signal: AbortSignal, log: Logger): Promise<void> {
    await Promise.all(
      this.#hooks.map(async (hook) => {
        try {
          await hook.run(signal)
          this.#state.set(hook.name, 'done')
        } catch (e) {
          if (signal.aborted) return
          this.#state.set(hook.name, 'failed')
          log.error('a post-start hook failed', { hook: hook.name, error: e })
          throw e
        }
      }),
    )
  }
}

/** `portico serve`: runs the server until a signal ends it. */
import { ConfigurationError } from '../app/config/configuration-error.ts'
import { completeConfig } from '../app/config/config.ts'
import { readOptions } from '../app/config/read-options.ts'
import { startServer } from '../app/run/wire.ts'
import { systemClock } from '../lib/clock.ts'
import { StorageError } from '../storage/storage.ts'
import type { Environment } from './environment.ts'

const OK = 0
const FAILED = 1

/** @returns 0 after a drain, 1 where the server could not go on. @throws ConfigurationError for a setting that cannot be. */
export async function serve(args: readonly string[], env: Environment): Promise<number> {
  try {
    const config = completeConfig(readOptions({ args, env }))
    const server = await startServer(config)
    const code = await untilEnded(server)
    return code
  } catch (e) {
    if (e instanceof ConfigurationError) throw e
    const known = e instanceof StorageError
    process.stderr.write(`portico: ${e instanceof Error ? (known ? e.message : (e.stack ?? e.message)) : String(e)}\n`)
    return FAILED
  }
}

/**
 * Ctrl-C reaches the whole process group, and npm or a wrapper passes it on once more: signals this close together are
 * one wish to stop.
 */
const ONE_WISH_MS = 500

/** The first signal drains; a second one ends the process at once. An error nobody caught drains too, and fails. */
async function untilEnded(server: Awaited<ReturnType<typeof startServer>>): Promise<number> {
  const ended = Promise.withResolvers<number>()
  let firstMs: number | undefined
  const onSignal = (): void => {
    const nowMs = systemClock.monotonicMs()
    if (firstMs === undefined) {
      firstMs = nowMs
      ended.resolve(OK)
    } else if (nowMs - firstMs > ONE_WISH_MS) process.kill(process.pid, 'SIGKILL')
  }
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  const onUncaught = (error: unknown): void => {
    server.log.error('an error that nothing caught: state may be broken, the server stops', { error })
    ended.resolve(FAILED)
  }
  process.on('uncaughtException', onUncaught)
  process.on('unhandledRejection', onUncaught)
  server.failed.catch(onUncaught)
  const code = await ended.promise
  await server.stop()
  return code
}

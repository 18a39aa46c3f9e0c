/**
 * The end of a server, step by step. Each step is a line in the log.
 *
 *   not ready -> delay -> refuse new requests -> end watches over the grace -> drained -> listeners closed -> released
 */
import { type Clock, sleep } from '../../lib/clock.ts'
import type { Listeners } from './wire-listeners.ts'
import type { AppContext } from './app-context.ts'

/** Answers under way get as long as any request may take. */
export async function stopServer(context: AppContext, listeners: Listeners): Promise<void> {
  const { config, clock, drain, log, life } = context
  const { values } = config
  log.info('shutting down', { underWay: drain.underWay, watches: drain.watches })
  context.health.add({ name: 'shutdown', check: () => 'process is shutting down' }, ['readyz'])
  await sleep(clock, values['shutdown-delay-duration'])
  drain.refuse()
  listeners.retireAll()
  log.info('new requests are refused')
  await drain.endWatches(values['shutdown-watch-termination-grace-period'])
  await atMost(drain.drained.promise, values['request-timeout'], clock)
  log.info('requests are drained', { underWay: drain.underWay })
  await listeners.close(GOODBYE_MS)
  await life[Symbol.asyncDispose]()
  log.info('stopped')
}

/** For answers' last bytes and connections that are idle. */
const GOODBYE_MS = 700

async function atMost(done: Promise<unknown>, ms: number, clock: Clock): Promise<void> {
  const stop = new AbortController()
  await Promise.race([done, sleep(clock, ms, stop.signal).catch(() => {})])
  stop.abort()
}

/**
 * `portico serve` that traces in every second slot of some requests, and says after each two what they took of the main
 * thread: how a process is compiled, lies in memory and is troubled by others is the same for both.
 * Environment: ENDPOINT, PER_MILLION, SLOT. Prints lines `SLOTS {"off":us,"on":us}` to standard error.
 */
import { once } from 'node:events'
import { completeConfig } from '../../src/app/config/config.ts'
import { readOptions } from '../../src/app/config/read-options.ts'
import { startServer } from '../../src/app/run/wire.ts'
import { createLogger } from '../../src/observability/pino-logger.ts'
import { openTelemetryTracer } from '../../src/observability/opentelemetry-tracer.ts'
import { noopSpan, type Span, type SpanContext, type StartSpan, type Tracer } from '../../src/observability/tracer.ts'

const SLOT = Number(process.env['SLOT'])

class SwitchingTracer implements Tracer {
  readonly enabled = true
  readonly #traced: Tracer
  #on = false
  /** Of this slot. */
  #left = SLOT
  #startedMicros = threadMicros()
  #costs: { off?: number; on?: number } = {}

  constructor(traced: Tracer) {
    this.#traced = traced
  }
  start(name: string, o?: StartSpan): Span {
    return this.#traced.start(name, o)
  }
  leftOut(parent?: SpanContext): Span | undefined {
    if (this.#left-- === 0) this.#next()
    return this.#on ? this.#traced.leftOut(parent) : noopSpan
  }
  #next(): void {
    const nowMicros = threadMicros()
    this.#costs[this.#on ? 'on' : 'off'] = (nowMicros - this.#startedMicros) / SLOT
    const both = this.#costs.on !== undefined && this.#costs.off !== undefined
    if (both) {
      process.stderr.write(`SLOTS ${JSON.stringify(this.#costs)}\n`)
      this.#costs = {}
      // Either may be first, so that neither always follows the other.
      this.#on = Math.random() < 0.5
    } else this.#on = !this.#on
    this.#left = SLOT
    this.#startedMicros = threadMicros()
  }
}
function threadMicros(): number {
  const { user, system } = process.threadCpuUsage()
  return user + system
}

const log = createLogger({ v: 0 })
const perMillion = Number(process.env['PER_MILLION'])
const traced = openTelemetryTracer({ endpoint: process.env['ENDPOINT']!, samplingRatePerMillion: perMillion, log })
const config = completeConfig(readOptions({ args: process.argv.slice(3), env: process.env }))
const server = await startServer(config, { log, tracer: new SwitchingTracer(traced) })
await once(process, 'SIGTERM')
await server.stop()
await traced[Symbol.asyncDispose]()
process.exit()

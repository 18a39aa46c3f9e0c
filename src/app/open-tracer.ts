import type { Logger } from '../observability/logger.ts'
import { type Tracer, noopTracer } from '../observability/tracer.ts'
import type { Config } from './config.ts'
import { readTracingConfig } from './tracing-config.ts'

/** The SDK is loaded only when tracing is configured. Disposing flushes what is still to be sent. */
export async function openTracer(config: Config, log: Logger): Promise<Tracer & AsyncDisposable> {
  const tracing = readTracingConfig(config.values)
  if (!tracing) return { ...noopTracer, [Symbol.asyncDispose]: async () => {} }
  const { openTelemetryTracer } = await import('../observability/opentelemetry-tracer.ts')
  return openTelemetryTracer({ ...tracing, log })
}

import type { Logger } from '../observability/logger.ts'
import type { MetricsRecorder } from '../observability/metrics.ts'
import { type Tracer, noopTracer } from '../observability/tracer.ts'
import { spanCounter } from '../observability/span-batch.ts'
import type { Config } from './config.ts'
import { readTracingConfig } from './tracing-config.ts'

/** The SDK is loaded only when tracing is configured. Disposing flushes what is still to be sent. */
export async function openTracer(
  config: Config,
  log: Logger,
  metrics: MetricsRecorder,
): Promise<Tracer & AsyncDisposable> {
  spanCounter(metrics) // is listed, traced or not
  const tracing = readTracingConfig(config.values)
  if (!tracing) return { ...noopTracer, [Symbol.asyncDispose]: async () => {} }
  const { openTelemetryTracer } = await import('../observability/opentelemetry-tracer.ts')
  return openTelemetryTracer({ ...tracing, log, metrics })
}

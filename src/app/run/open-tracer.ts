import type { Logger } from '../../observability/logger.ts'
import type { MetricsRecorder } from '../../observability/metrics.ts'
import { openTelemetryTracer } from '../../observability/opentelemetry-tracer.ts'
import { type Tracer, noopTracer } from '../../observability/tracer.ts'
import { spanCounter } from '../../observability/span-batch.ts'
import type { Config } from '../config/config.ts'
import { readTracingConfig } from '../config/tracing-config.ts'

/** Disposing flushes what is still to be sent. */
export function openTracer(config: Config, log: Logger, metrics: MetricsRecorder): Tracer & AsyncDisposable {
  spanCounter(metrics) // is listed, traced or not
  const tracing = readTracingConfig(config.values)
  if (!tracing) return { ...noopTracer, [Symbol.asyncDispose]: async () => {} }
  return openTelemetryTracer({ ...tracing, log, metrics })
}

/** The thread that sends spans. Started by span-thread.ts. */
import { workerData } from 'node:worker_threads'
import { answerOrders } from '../lib/thread.ts'
import { type EndedSpan, withPhases } from './ended-span.ts'
import { spanExporter } from './otlp-exporters.ts'
import { newTraceparents, spanIdOf } from './random-ids.ts'
import type { SpanThreadOptions } from './span-thread.ts'

const { endpoint, ...origin } = workerData as SpanThreadOptions
const exporter = spanExporter(endpoint, origin)
const ids = newTraceparents()
const newSpanId = (): string => spanIdOf(ids.next())

answerOrders((spans: readonly EndedSpan[]) => exporter.export(spans.flatMap((span) => withPhases(span, newSpanId))))

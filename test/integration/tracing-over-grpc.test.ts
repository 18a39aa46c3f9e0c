/** Spans reach a collector that speaks OTLP over gRPC, which is what kube-apiserver's TracingConfiguration means by an endpoint. */
import assert from 'node:assert/strict'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { noopLogger } from '../../src/observability/logger.ts'
import { MetricsRegistry } from '../../src/observability/metrics-registry.ts'
import { openTelemetryTracer } from '../../src/observability/opentelemetry-tracer.ts'

const SERVICE = '/opentelemetry.proto.collector.trace.v1.TraceService/Export'
/** Flags and length in front of a message. */
const GRPC_HEAD_BYTES = 5

interface Collector extends AsyncDisposable {
  readonly endpoint: string
  readonly received: { readonly path: string; readonly message: Buffer }[]
}
async function startCollector(): Promise<Collector> {
  const received: { path: string; message: Buffer }[] = []
  const server = createServer()
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const chunks: Buffer[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => {
      received.push({ path: String(headers[':path']), message: Buffer.concat(chunks).subarray(GRPC_HEAD_BYTES) })
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(Buffer.alloc(GRPC_HEAD_BYTES)) // an empty ExportTraceServiceResponse
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    endpoint: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    received,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

test('spans are sent over gRPC, and counted', async () => {
  await using collector = await startCollector()
  const metrics = new MetricsRegistry()
  const { endpoint } = collector
  const tracer = openTelemetryTracer({ endpoint, samplingRatePerMillion: 1_000_000, metrics, log: noopLogger })
  const link = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: true }
  const root = tracer.start('list flowers', { kind: 'server', link, attributes: { color: 'red' } })
  const child = tracer.start('pick', { parent: root })
  child.fail(new Error('no endpoint'))
  child.end()
  root.end()
  await tracer[Symbol.asyncDispose]()

  assert.deepEqual(
    collector.received.map(({ path }) => path),
    [SERVICE],
  )
  const { message } = collector.received[0]!
  for (const text of ['portico', 'list flowers', 'pick', 'color', 'red', 'no endpoint'])
    assert.ok(message.includes(text), text)
  for (const { traceId, spanId } of [root.context!, child.context!, link])
    for (const id of [traceId, spanId]) assert.ok(message.includes(Buffer.from(id, 'hex')), id)
  let text = ''
  for await (const slice of metrics.render()) text += slice
  assert.match(text, /^portico_tracing_spans_total\{result="sent"\} 2$/m)
})

/** A listener and forward() with nothing between them: what the data plane itself costs. Arguments: folder of certificates, backend port, protocol. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { listen } from '../../src/http/listener.ts'
import { RequestContext } from '../../src/http/request-context.ts'
import { ReloadableTls } from '../../src/http/tls-context.ts'
import { systemClock } from '../../src/lib/clock.ts'
import { noopMetrics } from '../../src/observability/metrics.ts'
import { noopTracer } from '../../src/observability/tracer.ts'
import { onlyEndpoint } from '../../src/proxy/endpoint-set.ts'
import { type ForwardRules, forward } from '../../src/proxy/forward.ts'
import { ProxyMetrics } from '../../src/proxy/proxy-metrics.ts'
import { TlsProfile } from '../../src/proxy/upstream-tls.ts'
import { Upstreams } from '../../src/proxy/upstreams.ts'

const [folder, backendPort, protocol] = process.argv.slice(2) as [string, string, 'auto' | 'http/1.1' | 'h2']
const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
const upstreams = new Upstreams({ clock: systemClock, protocol })
const tls = new TlsProfile({ serverName: 'localhost', ca: read('ca.crt') })
const rules: ForwardRules = {
  backend: 'bench',
  identity: 'requestheader',
  metrics: new ProxyMetrics(noopMetrics).of('bench'),
  tracer: noopTracer,
  clock: systemClock,
}
const user = { name: 'jane', groups: ['dev', 'system:authenticated'] }
const endpoints = onlyEndpoint({ host: '127.0.0.1', port: Number(backendPort), tls }, (a) => upstreams.pool(a))
const front = await listen({
  port: 0,
  host: '127.0.0.1',
  clock: systemClock,
  tls: new ReloadableTls({ cert: read('server.crt'), key: read('server.key') }),
  onRequest: (exchange) => {
    const ctx = new RequestContext(exchange, systemClock)
    ctx.user = user
    ctx.recover = (_, e) =>
      exchange.phase === 'waiting' ? ctx.answer(503, [], Buffer.from(String(e))) : exchange.abort(e)
    forward(ctx, {
      rules,
      endpoints,
      longRunning: false,
    })
  },
})
console.log(front.port)
process.once('SIGINT', () => process.exit(0))

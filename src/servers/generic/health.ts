/**
 * /healthz, /livez and /readyz: named checks, each also under its own path.
 * Source: apiserver's healthz package; the texts are exact.
 */
import type { RequestContext } from '../../http/request-context.ts'
import { writeText } from '../../http/write-status.ts'
import type { Clock } from '../../lib/clock.ts'
import type { MetricsRecorder } from '../../observability/metrics.ts'

export interface HealthCheck {
  readonly name: string
  /** @returns undefined when well, else what is wrong; shown only on the check's own path. */
  check(): string | undefined | Promise<string | undefined>
  /** Default: all. What no restart would mend belongs in readyz alone. */
  readonly probes?: readonly Probe[]
}
export type Probe = 'healthz' | 'livez' | 'readyz'

export class HealthChecks {
  readonly #checks: Record<Probe, HealthCheck[]> = { healthz: [], livez: [], readyz: [] }
  readonly #observe: (probe: Probe, name: string, ok: boolean) => void

  constructor(metrics: MetricsRecorder) {
    const gauge = metrics.gauge({
      name: 'kubernetes_healthcheck',
      help: '[STABLE] Result of the last run of a health check: 1 is success.',
      labels: ['name', 'type'],
    })
    const total = metrics.counter({
      name: 'kubernetes_healthchecks_total',
      help: '[STABLE] Runs of health checks by result.',
      labels: ['name', 'type', 'status'],
    })
    this.add({ name: 'ping', check: () => undefined })
    this.add({ name: 'log', check: () => undefined })
    this.#observe = (probe, name, ok) => {
      gauge.with(name, probe).set(ok ? 1 : 0)
      total.with(name, probe, ok ? 'success' : 'error').inc()
    }
  }
  add(check: HealthCheck, probes: readonly Probe[] = check.probes ?? ['healthz', 'livez', 'readyz']): void {
    for (const probe of probes) this.#checks[probe].push(check)
  }
  /** A check of the start-up: livez overlooks it for the grace period. */
  addBootSequence(check: HealthCheck, clock: Clock, livezGraceMs: number): void {
    const until = clock.monotonicMs() + livezGraceMs
    this.add(check, ['healthz', 'readyz'])
    this.add({ name: check.name, check: () => (clock.monotonicMs() < until ? undefined : check.check()) }, ['livez'])
  }
  paths(): string[] {
    return (Object.keys(this.#checks) as Probe[]).flatMap((probe) => [
      `/${probe}`,
      ...this.#checks[probe].map((c) => `/${probe}/${c.name}`),
    ])
  }
  has(probe: Probe, name: string): boolean {
    return this.#checks[probe].some((c) => c.name === name)
  }
  /** True when all checks of a probe are well. */
  async passes(probe: Probe): Promise<boolean> {
    const results = await Promise.all(this.#checks[probe].map(runCheck))
    return results.every((r) => r === undefined)
  }

  async serve(ctx: RequestContext, probe: Probe): Promise<void> {
    const excluded = new Set(ctx.query.getAll('exclude'))
    const results = await Promise.all(
      this.#checks[probe].map(async (c) => ({
        name: c.name,
        wrong: excluded.has(c.name) ? undefined : await runCheck(c),
      })),
    )
    const lines: string[] = []
    const failed: { name: string; wrong: string }[] = []
    for (const { name, wrong } of results) {
      if (excluded.delete(name)) {
        lines.push(`[+]${name} excluded: ok`)
        continue
      }
      this.#observe(probe, name, wrong === undefined)
      lines.push(wrong === undefined ? `[+]${name} ok` : `[-]${name} failed: reason withheld`)
      if (wrong !== undefined) failed.push({ name, wrong })
    }
    if (excluded.size > 0)
      lines.push(
        `warn: some health checks cannot be excluded: no matches for ${[...excluded].map((n) => JSON.stringify(n)).join(',')}`,
      )
    if (failed.length > 0) {
      ctx.log.warn('a health probe failed', { probe, failed })
      return writeText(ctx, 500, `${lines.join('\n')}\n${probe} check failed`)
    }
    const verbose = ctx.query.has('verbose')
    writePlain(ctx, verbose ? `${lines.join('\n')}\n${probe} check passed\n` : 'ok')
  }

  /** One check under its own path: what is wrong is told. */
  async serveOne(ctx: RequestContext, probe: Probe, name: string): Promise<void> {
    const checks = this.#checks[probe].filter((c) => c.name === name)
    for (const check of checks) {
      const wrong = await runCheck(check)
      this.#observe(probe, name, wrong === undefined)
      if (wrong !== undefined) return writeText(ctx, 500, `internal server error: ${wrong}`)
    }
    writePlain(ctx, 'ok', [])
  }
}

const NOSNIFF = ['X-Content-Type-Options', 'nosniff']

function writePlain(ctx: RequestContext, text: string, more: readonly string[] = NOSNIFF): void {
  const body = Buffer.from(text)
  ctx.answer(
    200,
    ['Content-Type', 'text/plain; charset=utf-8', ...more, 'Content-Length', String(body.byteLength)],
    ctx.exchange.method === 'HEAD' ? undefined : body,
  )
}

async function runCheck(check: HealthCheck): Promise<string | undefined> {
  try {
    return await check.check()
  } catch (e) {
    return e instanceof Error ? e.message : String(e)
  }
}

/** The paths that belong to no API: index, version, health, metrics, discovery roots. */
import { getOnly } from '../../endpoints/resource-handlers.ts'
import { writeText } from '../../http/write-status.ts'
import type { FixedPaths } from '../../servers/generic/fixed-paths.ts'
import type { Probe } from '../../servers/generic/health.ts'
import { indentedHandler, indexHandler } from '../../servers/generic/index-handler.ts'
import { metricsHandler } from '../../servers/generic/metrics-endpoint.ts'
import { versionInfo } from '../../servers/generic/version.ts'
import { packageVersion } from './build-info.ts'
import { exposition } from './exposition.ts'
import { type DebugParts, addDebugPaths } from './wire-debug.ts'
import type { AppContext } from './app-context.ts'

export function addFixedPaths(context: AppContext, o: DebugParts): void {
  const { fixed } = o
  const paths = (): readonly string[] => [...o.delegates.flatMap((d) => d.listedPaths()), ...context.health.paths()]
  fixed.exact('/', { handler: indexHandler(paths), listed: false })
  fixed.exact('/index.html', { handler: indexHandler(paths) })
  const version = versionInfo(packageVersion())
  const answerVersion = getOnly(indentedHandler(() => o.version() ?? version))
  fixed.exact('/version', { handler: answerVersion })
  fixed.exact('/version/', { handler: answerVersion, listed: false })
  fixed.exact('/metrics', { handler: metricsHandler(exposition(context, version)) })
  fixed.exact('/metrics/slis', { handler: metricsHandler(() => context.metrics.render(HEALTH_METRICS)) })
  for (const probe of ['healthz', 'livez', 'readyz'] as const) addProbe(context, fixed, probe)
  o.aggregator.addPaths(fixed)
  addDebugPaths(context, o)
}

const HEALTH_METRICS = new Set(['kubernetes_healthcheck', 'kubernetes_healthchecks_total'])

function addProbe(context: AppContext, fixed: FixedPaths, probe: Probe): void {
  const { health } = context
  fixed.exact(`/${probe}`, { handler: (ctx) => health.serve(ctx, probe), listed: false })
  fixed.prefix(`/${probe}/`, (ctx) => {
    const name = ctx.path.slice(probe.length + 2)
    if (!health.has(probe, name)) return writeText(ctx, 404, '404 page not found')
    return health.serveOne(ctx, probe, name)
  })
}

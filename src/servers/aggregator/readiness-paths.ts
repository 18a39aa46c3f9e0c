/** Whether this replica can reach the backend of one APIService: `/readyz/apiservices/<name>`. */
import { writeText } from '../../http/write-status.ts'
import type { FixedPaths } from '../generic/fixed-paths.ts'
import type { HealthChecks } from '../generic/health.ts'
import type { AggregatorViews } from './inputs.ts'

const READINESS_PREFIX = '/readyz/apiservices/'
const OK = Buffer.from('ok')
const OK_HEADERS = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(OK.byteLength)]

/** Those that --readyz-apiservices names count for readiness. */
export function addReadinessChecks(health: HealthChecks, names: readonly string[], views: AggregatorViews): void {
  for (const name of names) {
    const check = (): string | undefined =>
      isKnown(name, views) ? problemOf(name, views) : 'there is no such APIService'
    health.add({ name: `apiservices/${name}`, check }, ['readyz'])
  }
}

export function addApiServiceReadiness(fixed: FixedPaths, views: AggregatorViews): void {
  fixed.prefix(READINESS_PREFIX, (ctx) => {
    const name = ctx.path.slice(READINESS_PREFIX.length)
    if (!isKnown(name, views)) return writeText(ctx, 404, '404 page not found')
    const problem = problemOf(name, views)
    if (problem === undefined) return ctx.answer(200, OK_HEADERS, OK)
    writeText(ctx, 500, `internal server error: ${problem}`)
  })
}

const isKnown = (name: string, { informers }: AggregatorViews): boolean =>
  informers.apiServices.lister.get(name) !== undefined

/** @returns undefined when this replica can reach the backend. */
function problemOf(name: string, { informers, view }: AggregatorViews): string | undefined {
  const {
    status,
    reason = 'Unknown',
    message = 'not probed yet',
  } = view.current(informers.apiServices.lister.get(name)!) ?? {}
  return status === 'True' ? undefined : `${reason}: ${message}`
}

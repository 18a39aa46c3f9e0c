/** Whether this replica can reach the backend of one APIService: `/readyz/apiservices/<name>`. */
import { writeText } from '../../http/write-status.ts'
import type { FixedPaths } from '../../servers/generic/fixed-paths.ts'
import type { AggregatorFacts } from './aggregator-controllers.ts'
import type { AppContext } from './app-context.ts'

const READINESS_PREFIX = '/readyz/apiservices/'
const OK = Buffer.from('ok')
const OK_HEADERS = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(OK.byteLength)]

/** Those that --readyz-apiservices names count for readiness. */
export function addReadinessChecks({ config, health }: AppContext, facts: AggregatorFacts): void {
  for (const name of config.values['readyz-apiservices']) {
    const check = (): string | undefined =>
      isKnown(name, facts) ? problemOf(name, facts) : 'there is no such APIService'
    health.add({ name: `apiservices/${name}`, check }, ['readyz'])
  }
}

export function addApiServiceReadiness(fixed: FixedPaths, facts: AggregatorFacts): void {
  fixed.prefix(READINESS_PREFIX, (ctx) => {
    const name = ctx.path.slice(READINESS_PREFIX.length)
    if (!isKnown(name, facts)) return writeText(ctx, 404, '404 page not found')
    const problem = problemOf(name, facts)
    if (problem === undefined) return ctx.answer(200, OK_HEADERS, OK)
    writeText(ctx, 500, `internal server error: ${problem}`)
  })
}

const isKnown = (name: string, { informers }: AggregatorFacts): boolean =>
  informers.apiServices.lister.get(name) !== undefined

/** @returns undefined when this replica can reach the backend. */
function problemOf(name: string, { informers, view }: AggregatorFacts): string | undefined {
  const {
    status,
    reason = 'Unknown',
    message = 'not probed yet',
  } = view.current(informers.apiServices.lister.get(name)!) ?? {}
  return status === 'True' ? undefined : `${reason}: ${message}`
}

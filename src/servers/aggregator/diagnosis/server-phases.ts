/** What a server offers that is fronted as a whole: asked with our own credentials for it. */
import { ACCEPT_V2 } from '../discovery/discovery-downloads.ts'
import { type Asking, get } from './offer-phases.ts'
import { type Finding, failed, ok, warning } from './report.ts'

type AskingServer = Pick<Asking, 'transport'>

export async function serverDiscoveryPhase(asking: AskingServer, signal: AbortSignal): Promise<Finding> {
  const [core, groups] = await Promise.all(['/api', '/apis'].map((path) => get(asking, path, signal, ACCEPT_V2)))
  const details = { api: core!.status, apis: groups!.status }
  const statuses = [core!.status, groups!.status]
  const refused = statuses.find((s) => s === 401 || s === 403)
  if (refused !== undefined)
    return failed(`the server answers ${refused} to our credentials: its discovery cannot be read`, details)
  if (groups!.status !== 200) return failed(`/apis: bad status ${groups!.status}`, details)
  return core!.status === 200
    ? ok('discovery of all groups', details)
    : warning(`/api: bad status ${core!.status}`, details)
}

export async function serverOpenApiPhase(asking: AskingServer, signal: AbortSignal): Promise<Finding> {
  const { status } = await get(asking, '/openapi/v3', signal)
  return status === 200 ? ok('v3') : warning(`/openapi/v3: bad status ${status}`)
}

/** Requests of callers may fail where our own do not: they go with another certificate, or need a permission. */
export async function callersPhase(problemOfCallers: Promise<string | undefined>): Promise<Finding> {
  const problem = await problemOfCallers
  return problem === undefined ? ok('callers get through as themselves') : failed(problem)
}

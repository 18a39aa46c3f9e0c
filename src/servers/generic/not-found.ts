/** What no delegate claims: 404, or 503 while a delegate does not know all its paths yet. */
import { genericServerResponse, serviceUnavailable } from '../../api/status-error.ts'
import type { Handler } from '../../http/filter.ts'
import { type RequestInfo, splitPath } from '../../http/request-info.ts'
import { writeText } from '../../http/write-status.ts'
import type { Delegate } from './delegate.ts'

const NOT_YET = 'the request has been made before all known HTTP paths have been installed, please try again'
const RETRY_AFTER_S = 5

/** Below a group that a delegate has, what is missing is a Status; elsewhere it is a page. */
export function notFoundHandler(delegates: readonly Delegate[]): Handler {
  return (ctx) => {
    if (!delegates.every((d) => d.installed.value)) throw serviceUnavailable(NOT_YET, RETRY_AFTER_S)
    const group = groupOf(ctx.info)
    if (group !== undefined && delegates.some((d) => d.hasGroup?.(group)))
      throw genericServerResponse(404, ctx.exchange.method, { group: '', resource: '' }, '')
    writeText(ctx, 404, '404 page not found')
  }
}

/** @returns '' for the core group, undefined for a path of no group. */
function groupOf(info: RequestInfo): string | undefined {
  if (info.isResourceRequest) return info.apiGroup
  const [root, group = ''] = splitPath(info.path)
  if (root === 'api') return ''
  return root === 'apis' && group !== '' ? group : undefined
}

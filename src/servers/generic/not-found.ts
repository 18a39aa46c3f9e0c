import { serviceUnavailable } from '../../api/status-error.ts'
import type { Handler } from '../../http/filter.ts'
import { writeText } from '../../http/write-status.ts'

const NOT_YET = 'the request has been made before all known HTTP paths have been installed, please try again'
const RETRY_AFTER_S = 5

/** What nobody claims: 404, or 503 while some server does not know all its paths yet. */
export function notFoundHandler(installed: () => boolean): Handler {
  return (ctx) => {
    if (!installed()) throw serviceUnavailable(NOT_YET, RETRY_AFTER_S)
    writeText(ctx, 404, '404 page not found')
  }
}

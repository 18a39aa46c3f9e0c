import type { RequestInfo } from '../../http/request-info.ts'

const VERBS = new Set(['watch', 'proxy'])
const SUBRESOURCES = new Set(['attach', 'exec', 'proxy', 'log', 'portforward'])

/** Requests that may last: no deadline, and they are ended, not waited for, when the server stops. */
export function isLongRunning(info: RequestInfo): boolean {
  if (info.isResourceRequest) return VERBS.has(info.verb) || SUBRESOURCES.has(info.subresource)
  return info.path.startsWith('/debug/pprof/')
}

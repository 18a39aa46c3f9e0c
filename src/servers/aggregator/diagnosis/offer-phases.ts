/** What a backend offers, asked over the traffic's own connections: discovery, OpenAPI, streamed lists, its speed. */
import { pathOf } from '../../../api/group-version.ts'
import type { Transport } from '../../../client/transport.ts'
import { readLines } from '../../../client/response-body.ts'
import type { ResourceDiscovery } from '../../../endpoints/discovery-types.ts'
import type { Clock } from '../../../lib/clock.ts'
import { ACCEPT_V2, isAggregated, readAll } from '../discovery/discovery-downloads.ts'
import { readAggregated, readResourceList } from '../discovery/read-discovery.ts'
import { documentUrl, readOpenApi } from '../openapi/read-openapi.ts'
import { type Finding, failed, ok, textOf, warning } from './report.ts'
import type { Status } from '../../../api/status-error.ts'

export interface Asking {
  readonly transport: Transport
  readonly group: string
  readonly version: string
  readonly clock: Clock
}

const LATENCY_SAMPLES = 5
const SLOW_MS = 1000
const MAX_EVENT_BYTES = 8 * 1024 * 1024
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end'

export async function get(
  { transport }: Pick<Asking, 'transport'>,
  path: string,
  signal: AbortSignal,
  accept = 'application/json',
): Promise<{ status: number; type: string | undefined; body: string }> {
  const response = await transport({ method: 'GET', path, headers: { accept }, signal })
  return { status: response.status, type: response.headers['content-type'], body: await readAll(response) }
}

/** A failing line of a Kubernetes health endpoint: `[-]informer-sync failed: reason withheld`. */
const FAILING_CHECK = /^\[-\](.+?) failed/gm

/** What the server says of itself. Not every server has it, or lets us read it. */
export async function readyzPhase(asking: Pick<Asking, 'transport'>, signal: AbortSignal): Promise<Finding> {
  const { status, body } = await get(asking, '/readyz', signal, '*/*')
  const details = { status }
  if (status === 200) return ok('ready', details)
  if (status < 500) return ok(`says nothing of its readiness: /readyz: status ${status}`, details)
  const checks = [...body.matchAll(FAILING_CHECK)].map(([, name]) => name!)
  if (checks.length === 0) return failed(`/readyz: bad status ${status}`, details)
  return failed(`/readyz: not ready: ${checks.join(', ')}`, { ...details, checks })
}

export interface Offer {
  readonly finding: Finding
  readonly resources: readonly ResourceDiscovery[]
}

/** Both forms; a server that has one of them is found by every client. */
export async function discoveryPhase(asking: Asking, signal: AbortSignal): Promise<Offer> {
  const { group, version } = asking
  const root = pathOf(asking)
  const legacy = await get(asking, root, signal)
  const resources = legacy.status === 200 ? readResourceList(legacy.body, group, version).resources : undefined
  const aggregated = await get(asking, group === '' ? '/api' : '/apis', signal, ACCEPT_V2)
  const versions =
    aggregated.status === 200 && isAggregated(aggregated.type) ? readAggregated(aggregated.body) : undefined
  const listed = versions?.get(`${group}/${version}`)
  const details = {
    legacy: legacy.status,
    aggregated: versions !== undefined,
    groupVersions: [...(versions?.keys() ?? [])],
    resources: (listed ?? resources ?? []).map((r) => r.resource),
  }
  const found = listed ?? resources
  if (!found)
    return {
      finding: failed(`${root}: bad status ${legacy.status}: not the server of this group version`, details),
      resources: [],
    }
  if (found.length === 0) return { finding: warning('the group version has no resources', details), resources: found }
  if (versions && !listed)
    return { finding: warning(`aggregated discovery does not list ${group}/${version}`, details), resources: found }
  if (!resources) return { finding: warning(`${root}: bad status ${legacy.status}`, details), resources: found }
  const form = versions ? 'aggregated and legacy' : 'legacy'
  return { finding: ok(`${found.length} resources, ${form} discovery`, details), resources: found }
}

export async function openApiPhase(asking: Asking, signal: AbortSignal): Promise<Finding> {
  const key = pathOf(asking).slice(1)
  const [v3, v2] = await Promise.all([hasV3(asking, key, signal), hasV2(asking, `/${key}/`, signal)])
  const details = { v3, v2 }
  if (v3 === true) return ok(`v3${v2 === true ? ' and v2' : ''}`, details)
  if (v2 === true) return ok('v2, converted to v3 here', details)
  return warning(`neither v3 (${v3}) nor v2 (${v2}): nothing for kubectl explain and field validation`, details)
}
async function hasV3(asking: Asking, key: string, signal: AbortSignal): Promise<true | string> {
  try {
    const index = await get(asking, '/openapi/v3', signal)
    if (index.status !== 200) return `status ${index.status}`
    const url = documentUrl(index.body, key)
    if (url === undefined) return `no ${key} in the index`
    const document = await get(asking, url, signal)
    if (document.status !== 200) return `status ${document.status}`
    readOpenApi(document.body)
    return true
  } catch (e) {
    return textOf(e)
  }
}
async function hasV2(asking: Asking, prefix: string, signal: AbortSignal): Promise<true | string> {
  try {
    const document = await get(asking, '/openapi/v2', signal)
    if (document.status !== 200) return `status ${document.status}`
    const { paths = {} } = readOpenApi(document.body)
    return Object.keys(paths as object).some((p) => p.startsWith(prefix)) || `no path below ${prefix}`
  } catch (e) {
    return textOf(e)
  }
}

/** Clients that stream lists wait for a mark after the last object; a backend that never sends it makes them hang. */
export async function watchListPhase(
  asking: Asking,
  resources: readonly ResourceDiscovery[],
  signal: AbortSignal,
): Promise<Finding> {
  const resource = resources.find((r) => r.verbs.includes('watch') && r.verbs.includes('list'))?.resource
  if (resource === undefined) return ok('nothing that can be watched')
  const startMs = asking.clock.monotonicMs()
  const query =
    'watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=4'
  const path = `${pathOf(asking)}/${resource}?${query}`
  const response = await asking.transport({ method: 'GET', path, headers: { accept: 'application/json' }, signal })
  if (response.status !== 200) {
    for await (const _chunk of response.body) break
    const text = `${resource}: refused with ${response.status}`
    // These are what clients take for: list instead.
    return [400, 415, 422].includes(response.status) ? ok(`${text}: clients list instead`) : warning(text)
  }
  for await (const line of readLines(response.body, MAX_EVENT_BYTES)) {
    const event = JSON.parse(line) as StreamedEvent
    if (event.type === 'ERROR') return failed(`${resource}: the streamed list ends with an error: ${errorOf(event)}`)
    if (!endsInitialEvents(event)) continue
    return ok(`${resource}: initial events end after ${Math.round(asking.clock.monotonicMs() - startMs)} ms`)
  }
  return failed(`${resource}: initial events never end: clients that stream lists hang until they give up`)
}
interface StreamedEvent {
  readonly type?: string
  readonly object?: { readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> } }
}
function errorOf({ object = {} }: StreamedEvent): string {
  const { message, reason, code } = object as Partial<Status>
  return `${message || reason || 'without a message'}${code === undefined ? '' : ` (${code})`}`
}
function endsInitialEvents(event: StreamedEvent): boolean {
  return event.type === 'BOOKMARK' && event.object?.metadata?.annotations?.[INITIAL_EVENTS_END] === 'true'
}

export async function latencyPhase(
  asking: Pick<Asking, 'transport' | 'clock'>,
  path: string,
  signal: AbortSignal,
): Promise<Finding> {
  const tookMs: number[] = []
  for (let i = 0; i < LATENCY_SAMPLES; i++) {
    const startMs = asking.clock.monotonicMs()
    await get(asking, path, signal)
    tookMs.push(asking.clock.monotonicMs() - startMs)
  }
  tookMs.sort((a, b) => a - b)
  const rounded = (ms: number): number => Math.round(ms * 10) / 10
  const [least, median, most] = [tookMs[0]!, tookMs[LATENCY_SAMPLES >> 1]!, tookMs.at(-1)!].map(rounded)
  const details = { least, median, most }
  return median! > SLOW_MS ? warning(`${median} ms in the middle, which is slow`, details) : ok(`${median} ms`, details)
}

/**
 * Recorded answers of real servers, replayed against a Portico under test.
 *
 * What a recording names by values of its own (uids, resourceVersions, continue tokens) is learnt while it is replayed: where the recorded answer has one,
 * ours has its counterpart, and later requests are sent with that.
 */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { decodeProtobuf } from '../../src/api/codec/codec.ts'
import type { TypeTable } from '../../src/api/schema/type-table.ts'
import { generatedBody } from './recorded-bodies.ts'
import type { HttpClient } from './http-client.ts'
import { until } from './until.ts'

export interface RecordedRequest {
  readonly method: string
  readonly path: string
  /** `none`: no credentials; another name: a client certificate for it; absent: system:masters. */
  readonly user?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly text?: string
  /** Name of a body that is too large to be kept. */
  readonly generated?: string
}
export interface RecordedResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | true>>
  readonly body?: unknown
  readonly text?: string
  readonly base64?: string
  /** Of a watch. */
  readonly events?: readonly unknown[]
}
export interface Recorded {
  readonly name: string
  /** Only prepares: what was not recorded. */
  readonly setup?: boolean
  readonly request: RecordedRequest
  readonly response: RecordedResponse
}
export interface Outcome {
  readonly name: string
  readonly status: number
  /** Empty: the answer is as recorded. */
  readonly differences: readonly string[]
}
export interface ReplayTarget {
  readonly types: TypeTable
  /** Whether managedFields are compared: older recordings were cut. */
  readonly managers?: boolean
  client(user: string | undefined): HttpClient
}

/** How long a watch that its client ends waits for the events it expects. */
const WATCH_MS = 1500
const REQUEST_MS = 10_000

export function readRecorded(file: string): readonly Recorded[] {
  const url = new URL(`../../fixtures/recorded/answers/${file}.json`, import.meta.url)
  return (JSON.parse(readFileSync(url, 'utf8')) as { entries: Recorded[] }).entries
}

/** One after the other, as they were recorded. @throws Error where a preparation fails. */
export async function replay(target: ReplayTarget, entries: readonly Recorded[]): Promise<Outcome[]> {
  const learnt = new Map<string, string>()
  const outcomes: Outcome[] = []
  for (const entry of entries) {
    const given = await send(target, entry, learnt)
    if (entry.setup) {
      if (given.status >= 300) throw new Error(`${entry.request.path}: ${JSON.stringify(given)}`)
    } else {
      const differences = compare(target, entry.response, given)
      outcomes.push({ name: entry.name, status: given.status, differences })
    }
    learn(entry.response, given, learnt)
    await conditionsWritten(target, entry, given.status)
  }
  return outcomes
}

/** A client emptied the status of an APIService, whose conditions a controller writes again in its own time. */
async function conditionsWritten(target: ReplayTarget, { request }: Recorded, status: number): Promise<void> {
  const object = /^(\/apis\/apiregistration.*)\/status$/.exec(request.path)?.[1]
  if (object === undefined || status !== 200) return
  await until('its conditions are written', async () => {
    const answer = await target.client(undefined).get(object)
    return (answer.json<{ status?: { conditions?: unknown[] } }>().status?.conditions ?? []).length > 0
  })
}

async function send(
  target: ReplayTarget,
  { request, response }: Recorded,
  learnt: ReadonlyMap<string, string>,
): Promise<RecordedResponse> {
  const client = target.client(request.user)
  const path = withLearnt(request.path, learnt)
  const raw = request.generated === undefined ? request.text : generatedBody(request.generated)
  const body =
    raw === undefined
      ? request.body === undefined
        ? undefined
        : JSON.stringify(learntDeep(request.body, learnt))
      : Buffer.from(raw, 'latin1')
  const signal = AbortSignal.timeout(REQUEST_MS)
  const o = {
    signal,
    ...(request.headers ? { headers: request.headers } : {}),
    ...(body === undefined ? {} : { body }),
  }
  if (response.events) return watch(client, path, request.headers ?? {}, response.events.length)
  const answer = await client.request(request.method, path, o).catch((e: unknown) => String(e))
  // As the recordings have a connection that broke before there was an answer.
  if (typeof answer === 'string') return { status: 0, headers: {}, text: answer }
  const headers = flat(answer.headers)
  if (answer.bytes.byteLength === 0) return { status: answer.status, headers, text: '' }
  const type = String(headers['content-type'])
  if (type.startsWith('application/vnd.kubernetes.protobuf'))
    return { status: answer.status, headers, base64: answer.bytes.toString('base64') }
  if (type.startsWith('application/json')) return { status: answer.status, headers, body: answer.json() }
  return { status: answer.status, headers, text: answer.text }
}

/** Until the server ends it, or, where it does not, until as many events came as were recorded. */
async function watch(
  client: HttpClient,
  path: string,
  headers: Readonly<Record<string, string>>,
  wanted: number,
): Promise<RecordedResponse> {
  const endsItself = path.includes('timeoutSeconds')
  const signal = AbortSignal.timeout(endsItself ? 20_000 : WATCH_MS)
  const { statusCode, headers: answered, body } = await client.stream(path, { headers, signal })
  let text = ''
  try {
    for await (const chunk of body) {
      text += String(chunk)
      if (!endsItself && wanted > 0 && text.split('\n').length > wanted) break
    }
  } catch (e) {
    if (!signal.aborted) throw e
  } finally {
    body.on('error', () => {}).destroy()
  }
  const lines = text.split('\n').slice(0, -1)
  return { status: statusCode, headers: flat(answered), events: lines.map((line) => JSON.parse(line) as unknown) }
}

function flat(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string | string[]> {
  return Object.fromEntries(Object.entries(headers).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])))
}

/** Recorded value -> ours, wherever both answers have one of the kinds that a server makes up. */
function learn(recorded: RecordedResponse, given: RecordedResponse, learnt: Map<string, string>): void {
  const walk = (a: unknown, b: unknown): void => {
    if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return
    for (const [key, value] of Object.entries(a)) {
      const ours = (b as Record<string, unknown>)[key]
      if (typeof value !== 'string') walk(value, ours)
      else if (typeof ours === 'string' && ['uid', 'resourceVersion', 'continue'].includes(key)) learnt.set(value, ours)
    }
  }
  walk(recorded.body, given.body)
  walk(recorded.events, given.events)
}

function withLearnt(path: string, learnt: ReadonlyMap<string, string>): string {
  return path.replace(/(resourceVersion|continue)=([^&]*)/g, (all: string, key: string, value: string) => {
    const ours = learnt.get(value)
    return ours === undefined ? all : `${key}=${ours}`
  })
}
function learntDeep(value: unknown, learnt: ReadonlyMap<string, string>): unknown {
  return JSON.parse(JSON.stringify(value), (key, v: unknown) =>
    (key === 'uid' || key === 'resourceVersion') && typeof v === 'string' ? (learnt.get(v) ?? v) : v,
  )
}

const COMPARED = ['content-type', 'warning', 'retry-after', 'location', 'vary', 'etag', 'x-content-type-options']

function compare(
  { types, managers = false }: ReplayTarget,
  recorded: RecordedResponse,
  given: RecordedResponse,
): string[] {
  const differences: string[] = []
  if (recorded.status !== given.status) differences.push(`status ${recorded.status} -> ${given.status}`)
  for (const name of COMPARED) {
    const want = joined(recorded.headers[name])
    const have = joined(given.headers[name])
    if (want === true ? have === undefined : want !== have)
      differences.push(`${name}: ${JSON.stringify(want)} -> ${JSON.stringify(have)}`)
  }
  const mask = (value: unknown): unknown => masked(managers ? value : withoutManagers(value))
  const want = mask(contentOf(types, recorded))
  const have = mask(asLocal(contentOf(types, given)))
  differences.push(...contentDifferences(want, have, ''))
  return differences
}

const joined = (v: string | string[] | true | undefined): string | true | undefined =>
  Array.isArray(v) ? v.join(', ') : v

/** Recordings have APIServices without a backend that no server has, which are available there; see docs/differences.md. */
const LOCAL = { status: 'True', reason: 'Local', message: 'Local APIServices are always available' }
function asLocal(content: unknown): unknown {
  if (content === 'False (LocalNotServed)') return LOCAL.status
  if (Array.isArray(content)) return content.map(asLocal)
  if (typeof content !== 'object' || content === null) return content
  const fields = Object.fromEntries(Object.entries(content).map(([key, value]) => [key, asLocal(value)]))
  return fields['reason'] === 'LocalNotServed' ? { ...fields, ...LOCAL } : fields
}

function contentOf(types: TypeTable, r: RecordedResponse): unknown {
  if (r.base64 !== undefined && r.base64 !== '')
    return decodeProtobuf(types, Buffer.from(r.base64, 'base64')) ?? 'protobuf'
  if (String(r.headers['content-type']).startsWith('application/yaml') && r.text) return parse(r.text)
  return r.body ?? r.events ?? r.text ?? ''
}

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g
const UID = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g

const MASKED: ReadonlySet<string> = new Set([
  'continue',
  'serverAddress',
  'storageVersionHash',
  'gitVersion',
  'gitCommit',
  'goVersion',
  'compiler',
  'platform',
])

/** Managers stand in the order of their seconds, which depends on when a server is asked. */
function byManager(a: object, b: object): number {
  const [left, right] = [a, b].map((entry) => (entry as { manager: string }).manager)
  return left! < right! ? -1 : 1
}
function withoutManagers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutManagers)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([key]) => key !== 'managedFields')
  return Object.fromEntries(kept.map(([key, v]) => [key, withoutManagers(v)]))
}

/** Without what no two servers have in common; what is left has to be equal. */
function masked(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(masked)
  if (typeof value === 'string') return maskedText(value)
  if (typeof value !== 'object' || value === null) return value
  const result: Record<string, unknown> = {}
  for (const [key, v] of Object.entries(value)) {
    // An annotation that the recorded control plane adds to what it stores.
    if (key === 'kcp.io/cluster') continue
    result[key] =
      key === 'resourceVersion' && typeof v === 'string' && /^\d+$/.test(v) && v !== '0' ? '<rv>' : masked(v)
    if (key === 'columnDefinitions' && Array.isArray(v))
      for (const c of result[key] as object[]) Object.assign(c, { description: '' })
    if (MASKED.has(key)) result[key] = `<${key}>`
    if (key === 'managedFields' && Array.isArray(v)) result[key] = (result[key] as object[]).toSorted(byManager)
    if (key === 'cells' && Array.isArray(v)) result[key] = v.map((cell: unknown) => maskedCell(cell))
  }
  const { metadata } = result as { metadata?: unknown }
  if (isEmpty(metadata) && result['kind'] === 'Status') delete result['metadata']
  return result
}
/** A document quoted in a message: the order of its keys is not told apart. */
function maskedDocument(text: string): string {
  return text.replace(/Invalid value: ("\{.*\}")/s, (all: string, quoted: string) => {
    try {
      const document = withoutManagers(JSON.parse(JSON.parse(quoted) as string))
      return `Invalid value: ${JSON.stringify(sorted(masked(document)))}`
    } catch {
      return all
    }
  })
}
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .map(([k, v]): [string, unknown] => [k, sorted(v)])
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}
const isEmpty = (v: unknown): boolean => typeof v === 'object' && v !== null && Object.keys(v).length === 0

function maskedText(text: string): string {
  return maskedDocument(text)
    .replace(/\b(gen-|BAD_|v1\.x)[a-z0-9]{5}\b/g, '$1<generated>')
    .replace(TIME, '<time>')
    .replace(UID, '<uid>')
    .replace(/in scheme "[^"]*"/, 'in scheme <scheme>')
    .replace(/ResourceVersion in record \(\d+\)/, 'ResourceVersion in record (<rv>)')
    .replace(/current: \d+/, 'current: <rv>')
    .replace(/too old resource version: (\d+) \(\d+\)/, 'too old resource version: $1 (<rv>)')
}
function maskedCell(cell: unknown): unknown {
  return typeof cell === 'string' && /^(\d+[smhdy]+)+$/.test(cell) ? '<age>' : masked(cell)
}

/** At most one difference for each path. */
function contentDifferences(want: unknown, have: unknown, path: string): string[] {
  if (JSON.stringify(want) === JSON.stringify(have)) return []
  const plain = (v: unknown): v is Record<string, unknown> => typeof v === 'object' && v !== null
  if (!plain(want) || !plain(have) || Array.isArray(want) !== Array.isArray(have))
    return [`${path}: ${shown(want)} -> ${shown(have)}`]
  const keys = new Set([...Object.keys(want), ...Object.keys(have)])
  return [...keys].flatMap((key) => contentDifferences(want[key], have[key], `${path}.${key}`))
}
const shown = (v: unknown): string => (JSON.stringify(v) ?? 'nothing').slice(0, 600)

/**
 * Recorded answers of real servers, replayed against a Portico under test.
 *
 * What a recording names by values of its own (uids, resourceVersions, continue tokens) is learnt while it is replayed: where the recorded answer has one,
 * ours has its counterpart, and later requests are sent with that.
 */
import { readFileSync } from 'node:fs'
import { type Answered, type Compared, differencesOf } from './answers.ts'
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
export type RecordedResponse = Answered
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
export interface ReplayTarget extends Compared {
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
      const differences = differencesOf(target, entry.response, given)
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

/** @param learnt recorded values -> those of this server. */
export async function send(
  target: Pick<ReplayTarget, 'client'>,
  { request, response }: Pick<Recorded, 'request' | 'response'>,
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
export function learn(recorded: RecordedResponse, given: RecordedResponse, learnt: Map<string, string>): void {
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

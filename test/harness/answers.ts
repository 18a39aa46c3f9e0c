/** Answers of two servers to one request, compared: status, headers that clients look at, and content. */
import { parse } from 'yaml'
import { decodeProtobuf } from '../../src/api/codec/codec.ts'
import type { TypeTable } from '../../src/api/schema/type-table.ts'

export interface Answered {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | true>>
  readonly body?: unknown
  readonly text?: string
  readonly base64?: string
  /** Of a watch. */
  readonly events?: readonly unknown[]
}
export interface Compared {
  readonly types: TypeTable
  /** Whether managedFields are compared: older recordings were cut. */
  readonly managers?: boolean
}

const COMPARED = ['content-type', 'warning', 'retry-after', 'location', 'vary', 'etag', 'x-content-type-options']

/** Where two answers to one request differ; what servers make up is masked. */
export function differencesOf({ types, managers = false }: Compared, wanted: Answered, given: Answered): string[] {
  const differences: string[] = []
  if (wanted.status !== given.status) differences.push(`status ${wanted.status} -> ${given.status}`)
  for (const name of COMPARED) {
    const want = joined(wanted.headers[name])
    const have = joined(given.headers[name])
    if (want === true ? have === undefined : want !== have)
      differences.push(`${name}: ${JSON.stringify(want)} -> ${JSON.stringify(have)}`)
  }
  const mask = (value: unknown): unknown => masked(managers ? value : withoutManagers(value))
  const want = mask(contentOf(types, wanted))
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

function contentOf(types: TypeTable, r: Answered): unknown {
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

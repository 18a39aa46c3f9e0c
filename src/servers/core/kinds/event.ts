/**
 * Event, in the two groups that share one store: the form of the core group is the hub, and events.k8s.io/v1 says the same
 * in newer words.
 */
import type { Conversion } from '../../../api/kinds/kind.ts'
import type { KubeObject } from '../../../api/meta.ts'
import { type CellFunction, age, at, text } from '../../../endpoints/cell-values.ts'
import type { BuiltinKind } from '../builtin-kind.ts'
import { validateEvent } from '../validation/event.ts'

/** Of the hub, which both groups show. */
const cells: Record<string, CellFunction> = {
  eventLastSeen: (o, now) => {
    const last = at(o, 'series.lastObservedTime') ?? at(o, 'lastTimestamp')
    return last == null ? firstSeen(o, now) : age(last, now)
  },
  eventFirstSeen: firstSeen,
  eventObject: (o) => {
    const about = at(o, 'involvedObject')
    const name = text(about, 'name')
    return text(about, 'kind').toLowerCase() + (name === '' ? '' : `/${name}`)
  },
  eventSource: (o) => {
    const component = text(o, 'source.component') || text(o, 'reportingComponent')
    const instance = text(o, 'source.host') || text(o, 'reportingInstance')
    return instance === '' ? component : `${component}, ${instance}`
  },
  eventCount: (o) => Number(at(o, 'series.count') ?? at(o, 'count') ?? 0) || 1,
}

export const event: BuiltinKind = {
  validate: (object, old) => validateEvent(object, 'v1', old),
  fieldOf: eventField,
  cells,
}

/** Field of events.k8s.io/v1 -> field of the core group; the others have the same name in both. */
const NEWER_WORDS: Readonly<Record<string, string>> = {
  regarding: 'involvedObject',
  note: 'message',
  reportingController: 'reportingComponent',
  deprecatedSource: 'source',
  deprecatedFirstTimestamp: 'firstTimestamp',
  deprecatedLastTimestamp: 'lastTimestamp',
  deprecatedCount: 'count',
}
const OLDER_WORDS = Object.fromEntries(Object.entries(NEWER_WORDS).map(([newer, older]) => [older, newer]))

const conversion: Conversion = {
  toHub: (object) => renamed(object, NEWER_WORDS),
  fromHub: (object) => renamed(object, OLDER_WORDS),
}

export const newerEvent: BuiltinKind = {
  conversion: () => conversion,
  /** Validated in the form of the hub. */
  validate: (object, old) => validateEvent(object, 'events.k8s.io/v1', old),
  storedLabel: (label) => {
    const [first, ...rest] = label.split('.')
    return [NEWER_WORDS[first!] ?? first, ...rest].join('.')
  },
  cells,
}

function renamed(object: KubeObject, names: Readonly<Record<string, string>>): KubeObject {
  const entries = Object.entries(object).map(([name, value]) => [
    Object.hasOwn(names, name) ? names[name] : name,
    value,
  ])
  return Object.fromEntries(entries) as KubeObject
}

/** Field labels of events that are not simply paths. */
function eventField(label: string, object: object): string | undefined {
  if (label !== 'source') return undefined
  const { source, reportingComponent } = object as { source?: { component?: string }; reportingComponent?: string }
  return source?.component || reportingComponent || ''
}

function firstSeen(o: KubeObject, now: number): string {
  return age(at(o, 'firstTimestamp') ?? at(o, 'eventTime'), now)
}

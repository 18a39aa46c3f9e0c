/**
 * Events, in the form of the core group in which both groups store them. Source: core validation of Kubernetes.
 * The rules of the new API hold for requests of events.k8s.io/v1 only.
 */
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import type { KubeObject } from '../../../api/meta.ts'
import { dns1123Subdomain, qualifiedName } from '../../../api/names.ts'
import { validateImmutable } from '../../../api/validate-object-meta.ts'
import { nameErrors } from './field-checks.ts'

const MAX_TEXT = 128
const MAX_MESSAGE = 1024

export interface CoreEvent extends KubeObject {
  readonly involvedObject?: { readonly namespace?: string }
  readonly reason?: string
  readonly message?: string
  readonly source?: { readonly component?: string; readonly host?: string }
  readonly firstTimestamp?: string | null
  readonly lastTimestamp?: string | null
  readonly count?: number
  readonly type?: string
  readonly eventTime?: string | null
  readonly series?: { readonly count?: number; readonly lastObservedTime?: string | null }
  readonly action?: string
  readonly related?: object
  readonly reportingComponent?: string
  readonly reportingInstance?: string
}

const FROZEN: readonly (keyof CoreEvent)[] = [
  'involvedObject',
  'reason',
  'message',
  'source',
  'firstTimestamp',
  'lastTimestamp',
  'count',
  'type',
  'eventTime',
  'action',
  'related',
  'reportingInstance',
]

/** @param requestVersion of the request: `v1` or `events.k8s.io/v1`. */
export function validateEvent(event: CoreEvent, requestVersion: string, old?: CoreEvent): FieldError[] {
  const modern = requestVersion === 'events.k8s.io/v1'
  const errors = commonErrors(event, modern)
  if (!modern) return errors
  return [...errors, ...(old ? updateErrors(event, old) : creationErrors(event))]
}

function commonErrors(event: CoreEvent, modern: boolean): FieldError[] {
  const { namespace = '' } = event.metadata
  const about = event.involvedObject?.namespace ?? ''
  const timed = isSet(event.eventTime)
  const mismatch = fieldError.invalid('involvedObject.namespace', about, 'does not match event.namespace')
  const errors: FieldError[] = []
  if (!timed) {
    const clusterScoped = namespace === '' || namespace === 'default'
    if (about === '' ? !clusterScoped : namespace !== about) errors.push(mismatch)
  } else {
    if (about === '' && namespace !== 'default' && namespace !== 'kube-system') errors.push(mismatch)
    errors.push(...reportErrors(event, modern ? 'reportingController' : 'reportingComponent'))
  }
  return [...errors, ...nameErrors(namespace, 'namespace', dns1123Subdomain)]
}

/** The value of a text that is too long is not shown. */
function reportErrors(event: CoreEvent, controllerField: string): FieldError[] {
  const { reportingComponent = '', reportingInstance, action, reason, message = '' } = event
  const bounded = (value: string | undefined, path: string): FieldError[] => {
    if ((value ?? '') === '') return [fieldError.required(path)]
    return Buffer.byteLength(value!) > MAX_TEXT
      ? [fieldError.invalid(path, '', `can have at most ${MAX_TEXT} characters`)]
      : []
  }
  return [
    ...(reportingComponent === '' ? [fieldError.required(controllerField)] : []),
    ...nameErrors(reportingComponent, controllerField, qualifiedName),
    ...bounded(reportingInstance, 'reportingInstance'),
    ...bounded(action, 'action'),
    ...bounded(reason, 'reason'),
    ...(Buffer.byteLength(message) > MAX_MESSAGE
      ? [fieldError.invalid('message', '', `can have at most ${MAX_MESSAGE} characters`)]
      : []),
  ]
}

function creationErrors(event: CoreEvent): FieldError[] {
  const { type = '', source = {}, firstTimestamp, lastTimestamp, count = 0 } = event
  const unset = (path: string): FieldError => fieldError.invalid(path, '', 'needs to be unset')
  return [
    ...seriesErrors(event),
    ...(isSet(event.eventTime) ? [] : [fieldError.required('eventTime')]),
    ...(type === 'Normal' || type === 'Warning' ? [] : [fieldError.invalid('type', '', `has invalid value: ${type}`)]),
    ...(isSet(firstTimestamp) ? [unset('firstTimestamp')] : []),
    ...(isSet(lastTimestamp) ? [unset('lastTimestamp')] : []),
    ...(count === 0 ? [] : [unset('count')]),
    ...((source.component ?? '') + (source.host ?? '') === '' ? [] : [unset('source')]),
  ]
}

function updateErrors(event: CoreEvent, old: CoreEvent): FieldError[] {
  const seriesChanged = JSON.stringify(event.series) !== JSON.stringify(old.series)
  return [
    ...(seriesChanged ? seriesErrors(event) : []),
    ...FROZEN.flatMap((field) => validateImmutable(event[field] ?? null, old[field] ?? null, field)),
    ...validateImmutable(event.reportingComponent ?? '', old.reportingComponent ?? '', 'reportingController'),
  ]
}

function seriesErrors({ series }: CoreEvent): FieldError[] {
  if (series === undefined) return []
  return [
    ...((series.count ?? 0) < 2 ? [fieldError.invalid('series.count', '', 'should be at least 2')] : []),
    ...(isSet(series.lastObservedTime) ? [] : [fieldError.required('series.lastObservedTime')]),
  ]
}

function isSet(time: string | null | undefined): boolean {
  return time !== undefined && time !== null
}

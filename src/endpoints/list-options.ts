/** ListOptions of a list, a watch or a deletecollection, checked with kube-apiserver's texts. */
import { type FieldError, fieldError } from '../api/field-error.ts'
import { type FieldSelector, parseFieldSelector } from '../api/field-selector.ts'
import { type LabelSelector, parseLabelSelector } from '../api/label-selector.ts'
import { badRequest, invalid } from '../api/status-error.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { Resource } from '../registry/resource.ts'
import { flagParameter, intParameter } from './options.ts'

const FIELD = 'resourceVersionMatch'

export interface ListOptions {
  readonly labels: LabelSelector | undefined
  readonly fields: FieldSelector | undefined
  readonly resourceVersion: string
  readonly resourceVersionMatch: string
  readonly limit: number
  readonly continue: string
  readonly timeoutSeconds: number | undefined
  readonly allowWatchBookmarks: boolean
  readonly sendInitialEvents: boolean | undefined
}

/** @throws StatusError 400 for what cannot be read, 422 for what does not go together. */
export function parseListOptions(ctx: RequestContext, resource: Resource, watch: boolean): ListOptions {
  const { query } = ctx
  const options: ListOptions = {
    labels: selector(query.get('labelSelector'), parseLabelSelector),
    fields: selector(query.get('fieldSelector'), parseFieldSelector),
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get(FIELD) ?? '',
    limit: Math.max(0, intParameter(query, 'limit') ?? 0),
    continue: query.get('continue') ?? '',
    timeoutSeconds: intParameter(query, 'timeoutSeconds'),
    allowWatchBookmarks: flagParameter(query, 'allowWatchBookmarks') ?? false,
    sendInitialEvents: flagParameter(query, 'sendInitialEvents'),
  }
  checkFieldLabels(options.fields, resource)
  const { storedLabel } = resource
  const stored = storedLabel ? { ...options, fields: options.fields?.renamed(storedLabel) } : options
  const defaulted = watch ? withWatchDefaults(stored) : stored
  const errors = watch ? watchErrors(defaulted) : listErrors(defaulted)
  if (errors.length > 0) throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', errors)
  return defaulted
}

function selector<T>(text: string | null, parse: (text: string) => T): T | undefined {
  if (text === null || text === '') return undefined
  try {
    return parse(text)
  } catch (e) {
    throw badRequest(e instanceof Error ? e.message : String(e))
  }
}

/** Kinds without fields of their own and kinds with some word it differently. */
function checkFieldLabels(fields: FieldSelector | undefined, resource: Resource): void {
  for (const { field } of fields?.requirements ?? []) {
    if (resource.selectableFields.includes(field)) continue
    const own = resource.selectableFields.some((f) => f !== 'metadata.name' && f !== 'metadata.namespace')
    throw badRequest(
      own
        ? `field label not supported: ${field}`
        : `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`,
    )
  }
}

/** A watch without a resourceVersion wants the state first. */
function withWatchDefaults(o: ListOptions): ListOptions {
  if (o.sendInitialEvents !== undefined || o.resourceVersionMatch !== '') return o
  if (o.resourceVersion !== '' && o.resourceVersion !== '0') return o
  return { ...o, sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }
}

function listErrors(o: ListOptions): FieldError[] {
  const errors: FieldError[] = []
  const match = o.resourceVersionMatch
  if (match !== '') {
    if (o.resourceVersion === '')
      errors.push(fieldError.forbidden(FIELD, 'resourceVersionMatch is forbidden unless resourceVersion is provided'))
    if (o.continue !== '')
      errors.push(fieldError.forbidden(FIELD, 'resourceVersionMatch is forbidden when continue is provided'))
    if (match !== 'Exact' && match !== 'NotOlderThan')
      errors.push(fieldError.notSupported(FIELD, match, ['Exact', 'NotOlderThan', '']))
    if (match === 'Exact' && o.resourceVersion === '0')
      errors.push(fieldError.forbidden(FIELD, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
  }
  if (o.sendInitialEvents !== undefined)
    errors.push(fieldError.forbidden('sendInitialEvents', 'sendInitialEvents is forbidden for list'))
  return errors
}

function watchErrors(o: ListOptions): FieldError[] {
  const errors: FieldError[] = []
  const match = o.resourceVersionMatch
  if (o.sendInitialEvents !== undefined && match !== 'NotOlderThan') {
    errors.push(fieldError.forbidden(FIELD, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'))
  }
  if (match !== '') {
    if (o.sendInitialEvents === undefined)
      errors.push(
        fieldError.forbidden(FIELD, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'),
      )
    if (match !== 'NotOlderThan') errors.push(fieldError.notSupported(FIELD, match, ['NotOlderThan']))
    if (o.continue !== '')
      errors.push(fieldError.forbidden(FIELD, 'resourceVersionMatch is forbidden when continue is provided'))
  }
  return errors
}

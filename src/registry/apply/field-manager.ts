/**
 * Ownership of fields for the writes of one endpoint: a version of a kind, or one of its subresources.
 *
 *   create, update, patch   afterWrite: the manager takes what changed, others lose it
 *   apply                   apply: merges a configuration, refuses conflicts
 *
 * Pure: objects that come in are not changed; what goes out shares with them what stayed the same.
 * Callers:  the write path, before admission; it has conformed the objects of live, create, update and patch, and
 *           conforms what apply returns (a null stands where a field was emptied).
 * Not here: preconditions of uid and resourceVersion, defaults, validation of options.
 */
import type { KubeObject } from '../../api/meta.ts'
import { StatusError } from '../../api/status-error.ts'
import { jsonEqual } from '../../api/json-value.ts'
import { conflictStatus } from './conflict-status.ts'
import { FieldSet } from './field-set.ts'
import { formProblem } from './form-check.ts'
import { followLastApplied, KUBECTL, lastAppliedFields } from './last-applied.ts'
import { ItemError } from './list-items.ts'
import {
  addUpdate,
  decodeManagers,
  identityOf,
  isReset,
  type ManagerName,
  type Managers,
  withManagers,
} from './managers.ts'
import type { MergeShape } from '../../api/kinds/merge-shape.ts'
import { type Apply, applyOwnership, ConflictError, updateOwnership, type Versions } from './ownership.ts'
import { formatTime } from '../../api/time.ts'
import { fieldElement } from './path-element.ts'

export interface FieldManagerOptions {
  readonly apiVersion: string
  readonly kind: string
  readonly shape: MergeShape
  /** '' or left out: the resource itself. */
  readonly subresource?: string
  /** Fields, by version, that writes here neither take nor lose: the strategy resets them. */
  readonly resetFields?: (apiVersion: string) => FieldSet
  /** The kind's other versions, for managers that used them; left out: there are none. */
  readonly versions?: Pick<Versions, 'shape' | 'convert'>
}

export interface AfterWrite<T extends KubeObject> {
  /** undefined: the object is created. */
  readonly live: KubeObject | undefined
  readonly object: T
  readonly manager: string
  /** Milliseconds since the epoch. */
  readonly now: number
}
export interface ApplyInput {
  /** undefined: the object is created. */
  readonly live: KubeObject | undefined
  /** As the client sent it: untouched by defaults. */
  readonly config: KubeObject
  readonly manager: string
  readonly force: boolean
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Owner of all that was there before the first apply. */
const BEFORE_FIRST_APPLY = 'before-first-apply'
const UNKNOWN = 'unknown'
/** Bytes. Source: apimachinery's FieldManagerMaxLength. */
const MAX_MANAGER_BYTES = 128
const NEVER_OWNED = FieldSet.of(
  ...['apiVersion', 'kind', 'metadata'].map((name) => [fieldElement(name)]),
  ...[
    'name',
    'namespace',
    'creationTimestamp',
    'selfLink',
    'uid',
    'clusterName',
    'generation',
    'managedFields',
    'resourceVersion',
  ].map((name) => [fieldElement('metadata'), fieldElement(name)]),
)

export class FieldManager {
  readonly #apiVersion: string
  readonly #kind: string
  readonly #shape: MergeShape
  readonly #subresource: string
  readonly #versions: Versions

  constructor({ apiVersion, kind, shape, subresource = '', resetFields, versions }: FieldManagerOptions) {
    this.#apiVersion = apiVersion
    this.#kind = kind
    this.#shape = shape
    this.#subresource = subresource
    this.#versions = {
      shape: (version) => (version === apiVersion ? shape : versions?.shape(version)),
      convert: (object, version) =>
        object.apiVersion === version || !versions ? object : versions.convert(object, version),
      ignored: resetFields ?? (() => FieldSet.EMPTY),
    }
  }

  /**
   * After a create, update or patch. Managers that the object brings count, unless it came by a subresource; managers
   * that cannot be read, or an object whose managers were reset, leave it without.
   */
  afterWrite<T extends KubeObject>({ live, object, manager, now }: AfterWrite<T>): T {
    const managers = this.#managersOfWrite(live, object)
    // Upstream does not begin to track an object whose managers were reset, or which is older than all this.
    if (managers.size === 0 && live?.metadata.uid !== undefined) return withManagers(object, managers)
    try {
      return withManagers(object, this.#afterUpdate(live, object, managers, { manager, now }))
    } catch (error) {
      if (error instanceof ItemError) return withManagers(object, managers)
      throw tooDeep(error)
    }
  }

  #managersOfWrite(live: KubeObject | undefined, object: KubeObject): Managers {
    const stored = (): Managers => decodeManagers(live?.metadata.managedFields) ?? new Map()
    if (this.#subresource !== '') return stored()
    const { managedFields } = object.metadata
    if (isReset(managedFields)) return new Map()
    const brought = decodeManagers(managedFields)
    return brought && brought.size > 0 ? brought : stored()
  }

  #afterUpdate(
    live: KubeObject | undefined,
    object: KubeObject,
    managers: Managers,
    by: { manager: string; now: number },
  ): Managers {
    const before = this.#withoutManagers(live ?? this.#emptyObject())
    const write = { live: before, managers, apiVersion: this.#apiVersion }
    const { managers: kept, taken } = updateOwnership(write, this.#withoutManagers(object), this.#versions)
    return addUpdate(kept, this.#name(by.manager, 'Update'), taken.difference(NEVER_OWNED), by.now)
  }

  /**
   * @throws StatusError 400 for a body of another kind or with managers of its own, 500 for one that does not fit the
   *         form (upstream's code), 409 for conflicts.
   */
  apply({ live: given, config, manager, force, now }: ApplyInput): KubeObject {
    this.#checkConfig(config)
    const live = this.#withoutManagers(given ?? this.#emptyObject())
    try {
      const managers = this.#managersBeforeApply(live, given, now)
      const applier = this.#name(manager, 'Apply')
      const applied = this.#resolve({ live, managers, apiVersion: this.#apiVersion, config, applier, force })
      const object = applied.object ?? live
      const result = manager === KUBECTL ? followLastApplied(object, config) : object
      const time = applied.object === undefined ? undefined : formatTime(now)
      return withManagers(result, settled(applied.managers, identityOf(applier), time))
    } catch (error) {
      if (error instanceof ConflictError) throw conflictStatus(error)
      if (error instanceof ItemError) throw this.#misfit('live', live, error.message)
      throw tooDeep(error)
    }
  }

  #managersBeforeApply(live: KubeObject, given: KubeObject | undefined, now: number): Managers {
    const managers = decodeManagers(given?.metadata.managedFields) ?? new Map()
    if (managers.size > 0) return managers
    const empty = this.#emptyObject()
    return this.#afterUpdate(empty, live, managers, { manager: BEFORE_FIRST_APPLY, now })
  }

  /** kubectl takes over what its client-side apply had. */
  #resolve(apply: Apply): ReturnType<typeof applyOwnership> {
    try {
      return applyOwnership(apply, this.#versions)
    } catch (error) {
      if (!(error instanceof ConflictError) || apply.applier.manager !== KUBECTL) throw error
      const allowed = lastAppliedFields(apply.live, this.#apiVersion, this.#shape)
      if (!allowed) throw error
      const left = Array.from(error.conflicts)
        .map(([manager, fields]) => [manager, fields.difference(allowed)] as const)
        .filter(([, fields]) => !fields.isEmpty)
      if (left.length > 0) throw new ConflictError(new Map(left))
      return applyOwnership({ ...apply, force: true }, this.#versions)
    }
  }

  #checkConfig(config: KubeObject): void {
    const { apiVersion = '', kind = '' } = config
    if (apiVersion !== this.#apiVersion || kind !== this.#kind)
      throw new StatusError(400, 'BadRequest', `invalid object type: ${gvkText(apiVersion, kind)}`)
    if (config.metadata.managedFields !== undefined && config.metadata.managedFields !== null)
      throw new StatusError(400, 'BadRequest', 'metadata.managedFields must be nil')
    let problem: string | undefined
    try {
      problem = formProblem(config, this.#shape)
    } catch (error) {
      throw tooDeep(error)
    }
    if (problem !== undefined) throw this.#misfit('patch', config, problem)
  }

  #misfit(which: 'live' | 'patch', { metadata }: KubeObject, problem: string): StatusError {
    const textOf = (value: unknown): string => (typeof value === 'string' ? value : '')
    const name = `${textOf(metadata.namespace)}/${textOf(metadata.name)}`
    const type = gvkText(this.#apiVersion, this.#kind)
    return new StatusError(500, '', `failed to create typed ${which} object (${name}; ${type}): ${problem}`)
  }

  #name(manager: string, operation: ManagerName['operation']): ManagerName {
    const name = manager === '' ? UNKNOWN : manager
    return { manager: name, operation, apiVersion: this.#apiVersion, subresource: this.#subresource }
  }

  #emptyObject(): KubeObject {
    return { apiVersion: this.#apiVersion, kind: this.#kind, metadata: {} }
  }

  /** Managers are never compared, merged or owned. */
  #withoutManagers<T extends KubeObject>(object: T): T {
    const { managedFields: _managers, ...metadata } = object.metadata
    return { ...object, metadata }
  }
}

/** The applier's entry without what is never owned, and with the time of an apply that changed something. */
function settled(managers: Managers, applier: string, time: string | undefined): Managers {
  const result = new Map(managers)
  const entry = managers.get(applier)
  if (!entry) return result
  const fields = entry.fields.difference(NEVER_OWNED)
  if (fields.isEmpty) result.delete(applier)
  else result.set(applier, { ...entry, fields, time: time ?? entry.time })
  return result
}

/** `v1, Kind=Pod` with its group, as Go prints it: `/v1, Kind=Pod`, `apps/v1, Kind=Deployment`. */
function gvkText(apiVersion: string, kind: string): string {
  return `${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`
}

function tooDeep(error: unknown): unknown {
  return error instanceof RangeError ? new StatusError(400, 'BadRequest', 'exceeded max depth') : error
}

/**
 * Keeps the stored times where a write changed nothing but times, so that it is no write at all.
 * For the end of the write path: after admission, before the objects are compared.
 */
export function withoutTimeChurn<T extends KubeObject>(live: KubeObject, object: T): T {
  const [stored, given] = [live.metadata.managedFields, object.metadata.managedFields]
  if (stored === undefined || given === undefined || !jsonEqual(stored.map(timeless), given.map(timeless)))
    return object
  const kept = { ...object, metadata: { ...object.metadata, managedFields: stored } }
  return jsonEqual(kept, live) ? kept : object
}

function timeless(entry: unknown): unknown {
  const { time: _time, ...rest } = entry as Record<string, unknown>
  return rest
}

/** Who updates, when a request does not say: the User-Agent up to the first `/`, printable, at most 128 bytes. */
export function managerOf(fieldManager: string, userAgent: string): string {
  if (fieldManager !== '') return fieldManager
  let name = ''
  let bytes = 0
  for (const character of userAgent.split('/', 1)[0]!) {
    if (!/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character)) continue
    bytes += Buffer.byteLength(character)
    if (bytes > MAX_MANAGER_BYTES) break
    name += character
  }
  return name
}

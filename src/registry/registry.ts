/**
 * Reads and writes the objects of one resource: the steps every kind shares, in their one order
 * (prepare, validate, canonicalize, admission, storage). What differs per kind is its Strategy.
 *
 * Callers:  endpoints/ (one file per verb), and controllers through the in-process client.
 * Not here: lists and watches (watch-cache/, list.ts), HTTP, decoding of bodies.
 */
import { randomUUID } from 'node:crypto'
import { goQuote } from '../api/go-format.ts'
import { type FieldError, fieldError } from '../api/field-error.ts'
import type { KubeObject } from '../api/meta.ts'
import {
  StatusError,
  alreadyExists,
  badRequest,
  conflict,
  generateNameConflict,
  invalid,
  notFound,
} from '../api/status-error.ts'
import { dns1123Subdomain } from '../api/names.ts'
import { type ObjectMetaRules, validateObjectMeta, validateObjectMetaUpdate } from '../api/validate-object-meta.ts'
import type { Clock } from '../lib/clock.ts'
import { type Pause, pausesOf } from '../lib/next-turn.ts'
import { type Storage, type StoredValue, StorageError } from '../storage/storage.ts'
import { type DeleteOptions, afterDelete, checkPreconditions, isFinished } from './deletion.ts'
import { keyOf } from './keys.ts'
import type { ObjectCodec } from './object-codec.ts'
import type { KindVersion } from '../api/kinds/kind-version.ts'
import { carryForUpdate, dedupOwnerReferences, fillForCreate, generateName } from './object-meta.ts'
import type { Resource } from './resource.ts'
import { fromStorageError } from './storage-errors.ts'
import type { Strategy, Write } from './strategy.ts'

const NAME_ATTEMPTS = 8
const MODIFIED = 'the object has been modified; please apply your changes to the latest version and try again'

export interface WriteHooks {
  /** Validating admission: after the registry's own steps, with what will be stored. */
  readonly validate?: (object: KubeObject, old: KubeObject | undefined) => void | Promise<void>
  readonly warn?: (text: string) => void
}
export interface UpdateRequest {
  readonly write: Write
  /** Makes the new object from the stored one (undefined: it does not exist). Called again after a lost race; must not change its argument. `pause` is for between its steps. */
  readonly transform: (current: KubeObject | undefined, pause: Pause) => KubeObject | Promise<KubeObject>
  /** Of the subresource, where not the main one's. */
  readonly strategy?: Strategy
  /** A patch without a resourceVersion of its own: a lost race is tried again on the newer object. */
  readonly reapply?: boolean
  /** An apply makes what is missing, whatever the strategy says of updates. */
  readonly createsMissing?: boolean
  readonly hooks?: WriteHooks
}
export interface Deleted {
  readonly object: KubeObject
  /** False: it stays until its finalizers are done. */
  readonly gone: boolean
}

export class Registry {
  readonly resource: Resource
  readonly strategy: Strategy
  readonly codec: ObjectCodec
  readonly #form: KindVersion
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #random: () => number
  readonly #gr: { group: string; resource: string }

  constructor(o: {
    resource: Resource
    strategy: Strategy
    /** The hub's form: what is stored. */
    form: KindVersion
    codec: ObjectCodec
    storage: Storage
    clock: Clock
    random?: () => number
  }) {
    this.resource = o.resource
    this.strategy = o.strategy
    this.codec = o.codec
    this.#form = o.form
    this.#storage = o.storage
    this.#clock = o.clock
    this.#random = o.random ?? Math.random
    this.#gr = { group: o.resource.group, resource: o.resource.resource }
  }

  /** A linearizable read. @throws StatusError 404. */
  async get(namespace: string, name: string): Promise<KubeObject> {
    const stored = await this.#read(keyOf(this.resource, namespace, name), 'get', name)
    if (!stored) throw notFound(this.#gr, name)
    return this.#decode(stored)
  }

  /** @param object belongs to the registry from here on. @throws StatusError 409, 422. */
  async create(write: Write, object: KubeObject, hooks: WriteHooks = {}): Promise<KubeObject> {
    const base = object.metadata.generateName
    const generated = (object.metadata.name ?? '') === '' && base !== undefined && base !== ''
    for (let attempt = 1; ; attempt++) {
      if (generated) object.metadata.name = generateName(base, this.#random)
      try {
        return await this.#createOnce(write, object, hooks)
      } catch (e) {
        if (!generated || !isAlreadyExists(e)) throw e
        if (attempt === NAME_ATTEMPTS) throw generateNameConflict(this.#gr, base)
      }
    }
  }

  async #createOnce(write: Write, given: KubeObject, hooks: WriteHooks): Promise<KubeObject> {
    let object = given
    const { metadata } = object
    if ((metadata.resourceVersion ?? '') !== '')
      throw plainError('resourceVersion should not be set on objects to be created')
    if (!this.resource.namespaced) delete metadata.namespace
    fillForCreate(metadata, write.now, randomUUID())
    this.#dedupOwners(object, hooks)
    this.strategy.prepare(write, object)
    const pause = pausesOf(write.bodyBytes)
    await pause?.()
    const errors = [...validateObjectMeta(metadata, this.#metaRules()), ...this.strategy.validate(write, object)]
    this.#refuse(object, errors)
    for (const text of this.strategy.warnings?.(write, object) ?? []) hooks.warn?.(text)
    await pause?.()
    this.strategy.canonicalize?.(object)
    object = this.#form.conform(object)
    await hooks.validate?.(object, undefined)
    await pause?.()
    const key = keyOf(this.resource, metadata.namespace ?? '', metadata.name ?? '')
    if (write.dryRun) {
      const existing = await this.#read(key, 'create', metadata.name!)
      if (existing) throw await this.#exists(existing, metadata.name!)
      return object
    }
    const put = await this.#put(key, object, 'absent', 'create', (current) => this.#exists(current, metadata.name!))
    await pause?.()
    return put
  }

  /** @throws StatusError 404, 409, 422. */
  async update(o: UpdateRequest): Promise<{ object: KubeObject; created: boolean }> {
    const strategy = o.strategy ?? this.strategy
    const { write } = o
    const key = keyOf(this.resource, write.namespace, write.name)
    let stored = await this.#read(key, 'update', write.name)
    for (;;) {
      if (!stored) return this.#createByUpdate(o, strategy)
      const pause = pausesOf(Math.max(write.bodyBytes ?? 0, stored.value.byteLength))
      await pause?.()
      const old = await this.#decode(stored)
      await pause?.()
      const object = await o.transform(old, pause)
      await pause?.()
      const pinned = this.#checkVersion(object, old, strategy)
      const written = await this.#replace({ o, strategy, key, stored, old, object, pause })
      if (written.kind === 'done') return { object: written.object, created: false }
      if (pinned && o.reapply !== true) throw conflict(this.#gr, write.name, MODIFIED)
      stored = written.current
    }
  }

  async #createByUpdate(o: UpdateRequest, strategy: Strategy): Promise<{ object: KubeObject; created: boolean }> {
    if (!strategy.allowCreateOnUpdate && o.createsMissing !== true) throw notFound(this.#gr, o.write.name)
    const object = await o.transform(undefined, pausesOf(o.write.bodyBytes))
    if ((object.metadata.resourceVersion ?? '') !== '') throw notFound(this.#gr, o.write.name)
    object.metadata.name = o.write.name
    return { object: await this.create(o.write, object, o.hooks), created: true }
  }

  /** @returns whether the client pinned a version: a lost race is then its conflict, not ours to try again. */
  #checkVersion(object: KubeObject, old: KubeObject, strategy: Strategy): boolean {
    const wanted = object.metadata.resourceVersion ?? ''
    if (wanted === '' || wanted === '0') {
      if (strategy.allowUnconditionalUpdate) {
        object.metadata.resourceVersion = old.metadata.resourceVersion!
        return false
      }
      const error = fieldError.invalid('metadata.resourceVersion', 0, 'must be specified for an update')
      throw invalid({ group: this.resource.group, kind: this.resource.resource }, old.metadata.name!, [error])
    }
    if (!/^\d+$/.test(wanted)) throw plainError(`strconv.ParseUint: parsing ${goQuote(wanted)}: invalid syntax`)
    if (wanted !== old.metadata.resourceVersion) throw conflict(this.#gr, old.metadata.name!, MODIFIED)
    return true
  }

  async #replace(a: {
    o: UpdateRequest
    strategy: Strategy
    key: string
    stored: StoredValue
    old: KubeObject
    object: KubeObject
    pause: Pause
  }): Promise<{ kind: 'done'; object: KubeObject } | { kind: 'lost'; current: StoredValue | undefined }> {
    const { o, strategy, key, stored, old, pause } = a
    let { object } = a
    const { write } = o
    const { metadata } = object
    const name = old.metadata.name!
    // A patch is applied to what is stored: there the uid is a field that cannot change, and no precondition.
    if (o.reapply !== true && metadata.uid !== undefined && metadata.uid !== old.metadata.uid) {
      const why = `StorageError: invalid object, Code: 4, Key: ${key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${old.metadata.uid}`
      throw conflict(this.#gr, name, why)
    }
    carryForUpdate(metadata, old.metadata)
    this.#dedupOwners(object, o.hooks ?? {})
    strategy.prepare(write, object, old)
    const inMetadata = validateObjectMetaUpdate(metadata, old.metadata)
    // Kubernetes checks metadata in common and once more with the kind: causes come twice, the message tells them once.
    this.#refuse(object, [...inMetadata, ...inMetadata, ...strategy.validate(write, object, old)])
    for (const text of strategy.warnings?.(write, object, old) ?? []) o.hooks?.warn?.(text)
    await pause?.()
    strategy.canonicalize?.(object)
    object = this.#form.conform(object)
    await o.hooks?.validate?.(object, old)
    await pause?.()
    if (isFinished(object, strategy)) {
      if (write.dryRun) return { kind: 'done', object }
      const result = await this.#attempt('delete', name, () => this.#storage.delete(key, stored.revision))
      if (result.kind === 'conflict') return { kind: 'lost', current: result.current }
      return { kind: 'done', object: withRevision(object, result.revision) }
    }
    const bytes = await this.codec.encode(object)
    await pause?.()
    if (Buffer.compare(bytes, stored.value) === 0 || write.dryRun)
      return { kind: 'done', object: withRevision(object, stored.revision) }
    const result = await this.#attempt('update', name, () =>
      this.#storage.put(key, bytes, { expected: stored.revision, ...this.#ttl() }),
    )
    await pause?.()
    if (result.kind === 'conflict') return { kind: 'lost', current: result.current }
    return { kind: 'done', object: withRevision(object, result.revision) }
  }

  /** @throws StatusError 404, 409. */
  async delete(write: Write, options: DeleteOptions, hooks: WriteHooks = {}): Promise<Deleted> {
    const key = keyOf(this.resource, write.namespace, write.name)
    let stored = await this.#read(key, 'delete', write.name)
    for (;;) {
      if (!stored) throw notFound(this.#gr, write.name)
      const object = await this.#decode(stored)
      checkPreconditions(this.resource, object, options.preconditions)
      await hooks.validate?.(object, object)
      const kept = afterDelete(object, options, this.strategy, write.now)
      if (options.dryRun) return { object: kept ?? object, gone: kept === undefined }
      const expected: number = stored.revision
      const bytes = kept && (await this.codec.encode(kept))
      if (bytes && Buffer.compare(bytes, stored.value) === 0) return { object, gone: false }
      const result = await this.#attempt('delete', write.name, () =>
        bytes ? this.#storage.put(key, bytes, { expected }) : this.#storage.delete(key, expected),
      )
      if (result.kind === 'written')
        return { object: withRevision(kept ?? object, result.revision), gone: kept === undefined }
      stored = result.current
    }
  }

  async #put(
    key: string,
    object: KubeObject,
    expected: 'absent',
    operation: string,
    onConflict: (current: StoredValue | undefined) => Promise<StatusError>,
  ): Promise<KubeObject> {
    const bytes = await this.codec.encode(object)
    const result = await this.#attempt(operation, object.metadata.name ?? '', () =>
      this.#storage.put(key, bytes, { expected, ...this.#ttl() }),
    )
    if (result.kind === 'conflict') throw await onConflict(result.current)
    return withRevision(object, result.revision)
  }

  #ttl(): { ttlSeconds: number } | undefined {
    return this.resource.ttlSeconds === undefined ? undefined : { ttlSeconds: this.resource.ttlSeconds }
  }
  #metaRules(): ObjectMetaRules {
    return {
      namespaced: this.resource.namespaced,
      name: this.strategy.nameRules ?? dns1123Subdomain,
      coreFinalizers: this.resource.coreFinalizers,
    }
  }
  #refuse(object: KubeObject, errors: readonly FieldError[]): void {
    if (errors.length > 0) throw invalid(this.#form, object.metadata.name ?? '', errors)
  }
  async #exists(current: StoredValue | undefined, name: string): Promise<StatusError> {
    const deleting = current !== undefined && (await this.#decode(current)).metadata.deletionTimestamp !== undefined
    return alreadyExists(this.#gr, name, deleting ? 'object is being deleted: ' : '')
  }
  #dedupOwners(object: KubeObject, hooks: WriteHooks): void {
    const twice = dedupOwnerReferences(object.metadata)
    if (twice.length === 0) return
    hooks.warn?.(
      `.metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${twice.join(', ')}`,
    )
  }
  async #decode(stored: StoredValue): Promise<KubeObject> {
    try {
      return await this.codec.decode(stored.value, stored.revision)
    } catch (e) {
      if (e instanceof StatusError) throw e
      throw e instanceof StorageError ? fromStorageError(e, this.#gr, 'get') : badRequest(String(e), e)
    }
  }
  async #read(key: string, operation: string, name: string): Promise<StoredValue | undefined> {
    return this.#attempt(operation, name, async () => (await this.#storage.get(key)).item)
  }
  async #attempt<T>(operation: string, name: string, fn: () => Promise<T>): Promise<T> {
    try {
      return await fn()
    } catch (e) {
      throw fromStorageError(e, this.#gr, operation, name)
    }
  }
  /** Wall time for a new Write. */
  now(): number {
    return this.#clock.now()
  }
}

function withRevision(object: KubeObject, revision: number): KubeObject {
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } }
}
function isAlreadyExists(e: unknown): boolean {
  return (
    (e as StatusError).reason === 'AlreadyExists' && !(e as StatusError).message.startsWith('object is being deleted')
  )
}
/** A Go error without a Status of its own: its text is the message, and there is no reason. */
function plainError(message: string): StatusError {
  return new StatusError(500, '', message)
}

/**
 * The one order of a write, for create, update, patch and apply alike:
 *
 *   make (body, patch, merge, apply) -> defaults -> field manager -> mutate -> fit
 *     -> registry (prepare, validate, canonicalize) -> validate -> storage; after a lost race from "make" again
 *
 * Callers:  create.ts, update.ts, patch.ts say how to make the object; delete.ts, delete-collection.ts and connect.ts
 *           admit only.
 * Not here: the registry's own steps (registry/registry.ts), what plug-ins do (access/admission).
 */
import type { AdmissionAttributes, Operation } from '../access/admission/admission.ts'
import type { GroupVersionKind } from '../api/kinds/kind-version.ts'
import type { KubeObject } from '../api/meta.ts'
import type { RequestContext } from '../http/request-context.ts'
import type { Pause } from '../lib/next-turn.ts'
import { managerOf, withoutTimeChurn } from '../registry/apply/field-manager.ts'
import type { WriteHooks } from '../registry/registry.ts'
import type { Write } from '../registry/strategy.ts'
import type { Scope } from './scope.ts'

/** One write of one request. Objects are in the version of the request, but for what the registry gives and takes. */
export class WritePath {
  readonly #ctx: RequestContext
  readonly #scope: Scope
  readonly #write: Write
  readonly #options: object
  /** Who comes to own what the write sets. */
  readonly #manager: string
  #attributes: AdmissionAttributes | undefined

  /** @param options as the client gave them: CreateOptions, PatchOptions ... */
  constructor(ctx: RequestContext, scope: Scope, write: Write, options: object) {
    this.#ctx = ctx
    this.#scope = scope
    this.#write = write
    this.#options = options
    this.#manager = managerOf(ctx.query.get('fieldManager') ?? '', ctx.exchange.headers.get('user-agent') ?? '')
  }

  /**
   * What is between "make" and the registry.
   *
   * @param object belongs to the write from here on.
   * @param live as it is stored, in the hub's form; undefined where it is to be created.
   * @param pause before and after the field manager, which looks at each field of both.
   * @returns the object in the hub's form. @throws StatusError of a plug-in.
   */
  async made(object: KubeObject, live: KubeObject | undefined, pause: Pause): Promise<KubeObject> {
    const { managing, forms } = this.#scope
    const { kind, apiVersion } = forms.version
    const seen = live && forms.typed(live)
    await pause?.()
    const typed = { kind, apiVersion, ...forms.settled(object) }
    const { now } = this.#write
    const owned = await managing((fields) =>
      fields.afterWrite({ live: seen, object: typed, manager: this.#manager, now }),
    )
    await pause?.()
    return this.#admitted(owned, live, seen)
  }
  /** The same of an object that apply made, which knows who owns what. */
  async applied(object: KubeObject, live: KubeObject | undefined): Promise<KubeObject> {
    return this.#admitted(object, live, live && this.#scope.forms.typed(live))
  }

  async #admitted(typed: KubeObject, live: KubeObject | undefined, seen: KubeObject | undefined): Promise<KubeObject> {
    const { admission, forms } = this.#scope
    const { kind: _k, apiVersion: _a, ...object } = typed
    if (admission.isEmpty) return forms.toHub(this.#unchurned(object, seen))
    const attributes = this.#attributesOf(live ? 'update' : 'create', object, live)
    const pending = admission.mutate(attributes)
    if (pending instanceof Promise) await pending
    return forms.toHub(this.#unchurned(attributes.object!, seen))
  }
  /** A write that changes nothing but the times of managers is none. */
  #unchurned(object: KubeObject, seen: KubeObject | undefined): KubeObject {
    if (!seen) return object
    const { kind: _k, apiVersion: _a, ...live } = seen
    return withoutTimeChurn(live, object)
  }

  /** What the registry calls: validating admission after its own validation, warnings. */
  get hooks(): WriteHooks {
    return {
      validate: (object, old) => {
        const { admission, forms } = this.#scope
        if (admission.isEmpty) return undefined
        const attributes = this.#attributes ?? this.#attributesOf(old ? 'update' : 'create', object, old)
        attributes.object = forms.view(object)
        return admission.validate(attributes)
      },
      warn: (text) => this.#ctx.warn(text),
    }
  }

  /** What the registry calls for each object of a delete: both rounds of admission. */
  get deleteHooks(): WriteHooks {
    return this.#deleting(this.#write.name)
  }
  /** The same in a deletecollection, which names no object. */
  get deleteCollectionHooks(): WriteHooks {
    return this.#deleting('')
  }
  #deleting(name: string): WriteHooks {
    return {
      validate: (_, old) => {
        const { admission } = this.#scope
        if (admission.isEmpty) return undefined
        const attributes = { ...this.#attributesOf('delete', undefined, old), name }
        const pending = admission.mutate(attributes)
        return pending instanceof Promise
          ? pending.then(() => admission.validate(attributes))
          : admission.validate(attributes)
      },
    }
  }

  /**
   * Both rounds of admission before a connection is opened.
   *
   * @param options of the connection, which are its object.
   * @returns what plug-ins made of them; a promise only where a plug-in made one.
   */
  connecting(options: KubeObject, kind: GroupVersionKind): KubeObject | Promise<KubeObject> {
    const { admission } = this.#scope
    const attributes = { ...this.#attributesOf('connect', options, undefined), kind }
    const validated = (): void | Promise<void> => admission.validate(attributes)
    const mutated = admission.mutate(attributes)
    const pending = mutated instanceof Promise ? mutated.then(validated) : validated()
    return pending instanceof Promise ? pending.then(() => attributes.object!) : attributes.object!
  }

  #attributesOf(
    operation: Operation,
    object: KubeObject | undefined,
    old: KubeObject | undefined,
  ): AdmissionAttributes {
    const { forms, resource, subresource } = this.#scope
    const ctx = this.#ctx
    this.#attributes = {
      operation,
      resource,
      subresource,
      kind: forms.version,
      name: this.#write.name,
      namespace: this.#write.namespace,
      user: this.#write.user,
      dryRun: this.#write.dryRun,
      options: this.#options,
      object,
      old: old && forms.view(old),
      isReinvocation: false,
      warn: (text) => ctx.warn(text),
      annotate: (key, value) => ctx.annotate(key, value),
    }
    return this.#attributes
  }
}

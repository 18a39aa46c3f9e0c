/**
 * Admission: what may change or refuse a write after it is known who writes and before it is stored.
 *
 * Callers: endpoints/write-path.ts, which says when; delete and connect. Plug-ins are made by the servers.
 *
 *   mutate (all plug-ins, in order) -> again, once, where a plug-in wants to see what a later one changed
 *     -> the registry validates -> validate (all plug-ins, in order) -> storage
 *
 * A plug-in that does not handle a request costs one call. Nothing is awaited where no plug-in returns a promise.
 */
import type { GroupVersionKind } from '../../api/kinds/kind-version.ts'
import type { KubeObject, UserInfo } from '../../api/meta.ts'

export type Operation = 'create' | 'update' | 'delete' | 'connect'

export interface AdmissionAttributes {
  readonly operation: Operation
  readonly resource: { readonly group: string; readonly version: string; readonly resource: string }
  /** '' for the resource itself. */
  readonly subresource: string
  readonly kind: GroupVersionKind
  /** The object's name in the request; '' where it names none, as with generateName and in a deletecollection. */
  readonly name: string
  readonly namespace: string
  readonly user: UserInfo
  readonly dryRun: boolean
  /** CreateOptions, DeleteOptions ..., as the client gave them. */
  readonly options: object
  /** In the version of the request; of connect its options. Plug-ins that mutate change it or set another one; undefined for delete. */
  object: KubeObject | undefined
  readonly old: KubeObject | undefined
  /** The second round of mutate. */
  readonly isReinvocation: boolean
  warn(text: string): void
  /** Notes what was decided. Of a key that is noted twice, the first value stays. @param key of a domain: `pod-security.kubernetes.io/enforce-policy`. */
  annotate(key: string, value: string): void
}

export interface AdmissionPlugin {
  readonly name: string
  /** Cheap, and without effects. */
  handles(a: AdmissionAttributes): boolean
  /** @throws StatusError to refuse. */
  mutate?(a: AdmissionAttributes): void | Promise<void>
  /** Sees what will be stored. @throws StatusError to refuse. */
  validate?(a: AdmissionAttributes): void | Promise<void>
  /** Whether the plug-in wants to be called again where a later plug-in changed the object. */
  readonly reinvokes?: boolean
}

export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[]

  /** @param plugins in the order in which they are called. */
  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins
  }
  get isEmpty(): boolean {
    return this.#plugins.length === 0
  }

  /** Calls the mutating plug-ins. The first refusal ends it. */
  mutate(a: AdmissionAttributes): void | Promise<void> {
    const wanted = this.#plugins.filter((p) => p.mutate !== undefined && p.handles(a))
    if (wanted.length === 0) return undefined
    if (!wanted.some((p) => p.reinvokes === true)) return inOrder(wanted, (p) => p.mutate!(a))
    return this.#twiceWhereNeeded(wanted, a)
  }
  validate(a: AdmissionAttributes): void | Promise<void> {
    return inOrder(this.#plugins, (p) => (p.validate !== undefined && p.handles(a) ? p.validate(a) : undefined))
  }

  /** Calls all plug-ins again, once, if a plug-in that reinvokes has not seen a later change. */
  async #twiceWhereNeeded(wanted: readonly AdmissionPlugin[], a: AdmissionAttributes): Promise<void> {
    const textOf = (): string => JSON.stringify(a.object)
    const seen: string[] = []
    for (const plugin of wanted) {
      await plugin.mutate!(a)
      if (plugin.reinvokes === true) seen.push(textOf())
    }
    const final = textOf()
    if (seen.every((text) => text === final)) return
    // Attributes are one object for the plug-ins, which may set its `object`.
    const again = { ...a, isReinvocation: true, warn: (t: string) => a.warn(t), annotate: a.annotate.bind(a) }
    for (const plugin of wanted) await plugin.mutate!(again)
    a.object = again.object
  }
}

/** Calls plug-ins one after the other; synchronous as long as they are. */
function inOrder(
  plugins: readonly AdmissionPlugin[],
  call: (plugin: AdmissionPlugin) => void | Promise<void>,
  from = 0,
): void | Promise<void> {
  for (let i = from; i < plugins.length; i++) {
    const pending = call(plugins[i]!)
    if (pending instanceof Promise) return pending.then(() => inOrder(plugins, call, i + 1))
  }
  return undefined
}

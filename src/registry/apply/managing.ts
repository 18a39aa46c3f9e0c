/**
 * How an endpoint asks its field manager. A kind whose versions a converter tells apart has managers of other versions
 * that are judged in their own: the question is asked again each time a conversion that it needed is there.
 */
import type { Converter } from '../../api/kinds/kind.ts'
import type { KindVersion } from '../../api/kinds/kind-version.ts'
import type { KubeObject } from '../../api/meta.ts'
import { FieldManager, type FieldManagerOptions } from './field-manager.ts'

/** @param ask pure: it may be asked several times. @returns a promise only where a converter is waited for. */
export type Managing = <T>(ask: (manager: FieldManager) => T) => T | Promise<T>

export function managing(options: FieldManagerOptions): Managing {
  const manager = new FieldManager(options)
  return (ask) => ask(manager)
}

/** @param versionOf the served versions of the kind by apiVersion. */
export function managingConverted(
  options: Omit<FieldManagerOptions, 'versions'>,
  versionOf: (apiVersion: string) => KindVersion | undefined,
  converter: Converter,
): Managing {
  return async (ask) => {
    const known = new Map<string, KubeObject>()
    const convert = (object: KubeObject, apiVersion: string): KubeObject => {
      const missing = new MissingConversion(object, apiVersion)
      const converted = known.get(missing.key)
      if (!converted) throw missing
      return converted
    }
    const manager = new FieldManager({ ...options, versions: { shape: (v) => versionOf(v)?.merge, convert } })
    for (;;) {
      try {
        return ask(manager)
      } catch (missing) {
        if (!(missing instanceof MissingConversion)) throw missing
        const form = versionOf(missing.apiVersion)!
        // What apply has emptied is null until it is fitted.
        const whole = typed(versionOf(missing.object.apiVersion!)!, missing.object)
        const [converted] = await converter.convert([whole], form)
        known.set(missing.key, typed(form, converted!))
      }
    }
  }
}

function typed(form: KindVersion, object: KubeObject): KubeObject {
  const { kind, apiVersion } = form
  return { kind, apiVersion, ...form.fit(object).object }
}

class MissingConversion extends Error {
  readonly object: KubeObject
  readonly apiVersion: string
  readonly key: string
  constructor(object: KubeObject, apiVersion: string) {
    super(`not converted yet to ${apiVersion}`)
    this.object = object
    this.apiVersion = apiVersion
    this.key = `${apiVersion} ${JSON.stringify(object)}`
  }
}

/** The versions in which the objects of one store are served: for field managers that wrote in another one. */
import type { MergeShape } from '../../api/kinds/merge-shape.ts'
import type { KubeObject } from '../../api/meta.ts'
import type { ObjectForms } from '../../endpoints/object-forms.ts'

export class StoredVersions {
  readonly #forms = new Map<string, ObjectForms>()

  add(forms: ObjectForms): void {
    this.#forms.set(forms.version.apiVersion, forms)
  }
  /** @returns undefined for a version that is not served. */
  shape(apiVersion: string): MergeShape | undefined {
    return this.#forms.get(apiVersion)?.version.merge
  }
  /** @param object with its kind and apiVersion; both versions are served. */
  convert(object: KubeObject, apiVersion: string): KubeObject {
    const from = this.#forms.get(object.apiVersion!)!
    // What apply has emptied is null until it is fitted.
    const { kind: _k, apiVersion: _a, ...rest } = from.version.fit(object).object
    return this.#forms.get(apiVersion)!.typed(from.toHub(rest))
  }
}

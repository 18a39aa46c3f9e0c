/**
 * Stored bytes of a kind whose versions a converter tells apart: objects go in and out in one version, whatever version
 * they are stored in.
 */
import type { Converter } from '../api/kinds/kind.ts'
import type { KindVersion } from '../api/kinds/kind-version.ts'
import type { KubeObject } from '../api/meta.ts'
import type { StoredValue } from '../storage/storage.ts'
import { Undecodable } from './watch-cache/cache-item.ts'
import { type ObjectCodec, objectCodec, readable, storedObject } from './object-codec.ts'

export interface ConvertedForms {
  /** What objects go in and out in. */
  readonly form: KindVersion
  /** What is written. */
  readonly stored: KindVersion
  readonly converter: Converter
}

export class ConvertingCodec implements ObjectCodec {
  readonly #forms: ConvertedForms
  readonly #written: ObjectCodec

  constructor(forms: ConvertedForms) {
    this.#forms = forms
    this.#written = objectCodec(forms.stored, 'json')
  }

  /** @throws what the converter throws. */
  async encode(object: KubeObject): Promise<Uint8Array> {
    const { form, stored, converter } = this.#forms
    if (form === stored) return this.#written.encode(object)
    const [converted] = await converter.convert([{ kind: form.kind, apiVersion: form.apiVersion, ...object }], stored)
    return this.#written.encode(fitted(stored, converted))
  }

  /** @throws StorageError corrupt; what the converter throws. */
  async decode(value: Uint8Array, revision: number): Promise<KubeObject> {
    const [object] = await this.decodeAll([{ key: '', value, revision }])
    if (object instanceof Undecodable) throw object.error
    return object!
  }

  /** All with one conversion. @throws what the converter throws. */
  async decodeAll(values: readonly StoredValue[]): Promise<readonly (KubeObject | Undecodable)[]> {
    const { form, stored, converter } = this.#forms
    const parsed = values.map(({ value }) => orUndecodable(() => storedObject(stored, value)))
    const others = parsed.filter(
      (p): p is KubeObject => !(p instanceof Undecodable) && p.apiVersion !== form.apiVersion,
    )
    const answers = others.length === 0 ? [] : await converter.convert(others, form)
    const converted = new Map(others.map((object, i) => [object, answers[i]]))
    return parsed.map((object, i) => {
      if (object instanceof Undecodable) return object
      return orUndecodable(() => {
        const own = converted.has(object) ? fitted(form, converted.get(object)) : object
        return readable(form, own, values[i]!.revision)
      })
    })
  }
}

function orUndecodable(decode: () => KubeObject): KubeObject | Undecodable {
  try {
    return decode()
  } catch (error) {
    return new Undecodable(error)
  }
}

/** What a converter answered, in the form of the version that it was asked for. */
function fitted(form: KindVersion, converted: KubeObject | undefined): KubeObject {
  if (!converted) throw new Error(`the converter of ${form.kind} answered fewer objects than it was given`)
  return form.fit(converted).object
}

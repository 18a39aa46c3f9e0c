/**
 * Stored bytes of a kind whose versions a converter tells apart: objects go in and out in one version, whatever version
 * they are stored in.
 */
import type { Converter } from '../api/kinds/kind.ts'
import type { KindVersion } from '../api/kinds/kind-version.ts'
import type { KubeObject } from '../api/meta.ts'
import type { StoredValue } from '../storage/storage.ts'
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
    const [result] = await this.decodeAll([{ key: '', value, revision }])
    if (result!.status === 'rejected') throw result!.reason
    return result!.value
  }

  /** All with one conversion. A value that is corrupt is a rejected result. @throws what the converter throws. */
  async decodeAll(values: readonly StoredValue[]): Promise<readonly PromiseSettledResult<KubeObject>[]> {
    const { form, stored, converter } = this.#forms
    const parsed = await Promise.allSettled(values.map(async ({ value }) => storedObject(stored, value)))
    const others = parsed.flatMap((p) =>
      p.status === 'fulfilled' && p.value.apiVersion !== form.apiVersion ? [p.value] : [],
    )
    const answers = others.length === 0 ? [] : await converter.convert(others, form)
    const converted = new Map(others.map((object, i) => [object, answers[i]]))
    return Promise.allSettled(
      parsed.map(async (p, i) => {
        if (p.status === 'rejected') throw p.reason
        const object = converted.has(p.value) ? fitted(form, converted.get(p.value)) : p.value
        return readable(form, object, values[i]!.revision)
      }),
    )
  }
}

/** What a converter answered, in the form of the version that it was asked for. */
function fitted(form: KindVersion, converted: KubeObject | undefined): KubeObject {
  if (!converted) throw new Error(`the converter of ${form.kind} answered fewer objects than it was given`)
  return form.fit(converted).object
}

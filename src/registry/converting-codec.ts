/**
 * Stored bytes of a kind whose versions a converter tells apart: objects go in and out in one version, whatever version
 * they are stored in.
 */
import type { Converter } from '../api/kinds/kind.ts'
import type { KindVersion } from '../api/kinds/kind-version.ts'
import type { KubeObject } from '../api/meta.ts'
import { type ObjectCodec, objectCodec, readable, storedObject } from './object-codec.ts'

export interface ConvertedForms {
  /** What objects go in and out in. */
  readonly form: KindVersion
  /** What is written. */
  readonly stored: KindVersion
  readonly converter: Converter
}

export function convertingCodec(o: ConvertedForms): ObjectCodec {
  const { form, stored, converter } = o
  const { kind, apiVersion } = form
  const codec = objectCodec(stored, 'json')
  return {
    encode: (object) => {
      if (form === stored) return codec.encode(object)
      const typed = { kind, apiVersion, ...object }
      return converter.convert([typed], stored).then(([converted]) => codec.encode(fitted(stored, converted)))
    },
    decode: (bytes, revision) => {
      const object = storedObject(stored, bytes)
      if (object.apiVersion === apiVersion) return readable(form, object, revision)
      return converter.convert([object], form).then(([converted]) => readable(form, fitted(form, converted), revision))
    },
  }
}

/** What a converter answered, in the form of the version that it was asked for. */
export function fitted(form: KindVersion, converted: KubeObject | undefined): KubeObject {
  if (!converted) throw new Error(`the converter of ${form.kind} answered fewer objects than it was given`)
  return form.fit(converted).object
}

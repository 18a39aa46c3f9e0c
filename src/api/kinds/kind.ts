/**
 * A kind with all its versions. Objects are kept, validated and handled in one of them, the hub, which is the version
 * that they are stored in; a request in another version is converted on its way in and out.
 */
import type { KubeObject } from '../meta.ts'
import type { KindVersion } from './kind-version.ts'

/** Pure and lossless: what has no place in the other form goes into annotations. Neither function changes its argument. */
export interface Conversion {
  toHub(object: KubeObject): KubeObject
  fromHub(object: KubeObject): KubeObject
}
/**
 * Conversion that has to wait, because a program outside this process does it. Objects of such a kind are handled in the
 * version of the request; they are converted when they are read from the storage and before they are written there.
 */
export interface Converter {
  /**
   * @param objects with kind and apiVersion, in whatever versions of the kind.
   * @returns as many, in their order, in the version. @throws StatusError, or whatever keeps it from converting them now.
   */
  convert(objects: readonly KubeObject[], to: KindVersion): Promise<readonly KubeObject[]>
}
export interface Kind {
  readonly storage: KindVersion
  /** By version, the storage version among them. Cohabiting groups are kinds of their own over one store. */
  readonly versions: ReadonlyMap<string, ServedVersion>
}
export interface ServedVersion {
  readonly form: KindVersion
  /** undefined: its form is the hub's. */
  readonly conversion: Conversion | undefined
}

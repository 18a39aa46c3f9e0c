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

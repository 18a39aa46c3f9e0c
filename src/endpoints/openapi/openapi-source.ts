/** What a server brings to the OpenAPI documents: descriptions, or documents that another server made. */
import type { Published } from '../../lib/published.ts'
import type { DescribedGroupVersion } from './described-api.ts'

export interface EncodedDocument {
  /** JSON, in memory that threads share. */
  readonly bytes: Uint8Array
  /** Quoted, of these bytes. */
  readonly etag: string
}
export interface RemoteDocument {
  /** `apis/apps/v1`. */
  readonly key: string
  /** undefined: there is none. */
  readonly document: EncodedDocument | undefined
}
/** Fetched only while a client reads them. */
export interface ReadDocuments {
  readonly documents: Published<ReadonlyMap<string, RemoteDocument>>
  /** A client begins to read. Resolves when every server that can be asked was asked once. */
  begin(): Promise<unknown>
  /** A client reads again: what was not looked at for some seconds is, while the client has what is known. */
  again(): void
  /** No client reads any more. */
  end(): void
}
export interface RemoteOpenApi {
  readonly v3: ReadDocuments
  readonly v2: ReadDocuments
  /**
   * Whether they are of the server that gets all that no other delegate serves: its definitions keep their names, and
   * it says what the API is.
   */
  readonly isBase: boolean
}

/** The descriptions of one server by documentKey(). What did not change stays the same object. */
export type Descriptions = ReadonlyMap<string, DescribedGroupVersion>
export interface OpenApiSource {
  readonly described?: Published<Descriptions>
  readonly remote?: RemoteOpenApi
}

/** `api/v1` or `apis/<group>/<version>`: the key of a group version's document in the index of version 3. */
export const documentKey = ({ group, version }: Pick<DescribedGroupVersion, 'group' | 'version'>): string =>
  group === '' ? `api/${version}` : `apis/${group}/${version}`

/**
 * The descriptions of several servers as those of one. The resources of a group version that several serve are
 * united: the first server that has a resource describes it.
 */
export class UnitedDescriptions {
  readonly #sources: readonly Published<Descriptions>[]
  /** What each group version was united from: the result stays while these do. */
  #united = new Map<
    string,
    { readonly parts: readonly DescribedGroupVersion[]; readonly whole: DescribedGroupVersion }
  >()
  #value: Descriptions

  /** @param changed is called after each change. */
  constructor(sources: readonly Published<Descriptions>[], changed: () => void) {
    this.#sources = sources
    this.#value = this.#unite()
    for (const source of sources)
      source.subscribe(() => {
        this.#value = this.#unite()
        changed()
      })
  }
  get value(): Descriptions {
    return this.#value
  }

  #unite(): Descriptions {
    const parts = new Map<string, DescribedGroupVersion[]>()
    for (const source of this.#sources)
      for (const [key, described] of source.value) {
        const known = parts.get(key)
        if (known) known.push(described)
        else parts.set(key, [described])
      }
    const before = this.#united
    this.#united = new Map(
      [...parts].map(([key, those]) => {
        const known = before.get(key)
        const isSame = known?.parts.length === those.length && known.parts.every((part, i) => part === those[i])
        return [key, isSame ? known : { parts: those, whole: wholeOf(those) }]
      }),
    )
    return new Map([...this.#united].map(([key, { whole }]) => [key, whole]))
  }
}

function wholeOf(parts: readonly DescribedGroupVersion[]): DescribedGroupVersion {
  const [first] = parts
  if (parts.length === 1) return first!
  const resources = new Map(
    parts
      .flatMap((p) => p.resources)
      .toReversed()
      .map((r) => [r.resource, r]),
  )
  return { ...first!, resources: [...resources.values()].toReversed() }
}

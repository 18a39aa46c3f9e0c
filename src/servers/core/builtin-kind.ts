/**
 * What a built-in kind has beside its rows in the tables: its defaults, rules and logic, in one module per kind (kinds/).
 * A kind without logic has no module: its rows are enough.
 */
import type { FieldError } from '../../api/field-error.ts'
import type { Conversion } from '../../api/kinds/kind.ts'
import type { KubeObject } from '../../api/meta.ts'
import type { TypeTable } from '../../api/schema/type-table.ts'
import type { CellFunction } from '../../endpoints/cell-values.ts'
import type { Resource } from '../../registry/resource.ts'
import type { Strategy } from '../../registry/strategy.ts'

/** Its functions take the kind's own type: they are only ever given objects of the kind, in the form of the hub where they are not defaults. */
export interface BuiltinKind<T extends KubeObject = KubeObject> {
  /** Changes the object, which the caller has to itself: when it was decoded, read from storage, or patched. */
  defaults?(this: void, object: T): void
  /** Beyond what holds for all metadata. `old` on updates. */
  validate?(this: void, object: T, old?: T): readonly FieldError[]
  /** What differs from a resource whose objects are stored as they come. */
  readonly strategy?: Partial<Strategy<T>>
  /** Views of the object, by name. Status of a kind that does not name it here is taken as it comes. */
  readonly views?: Readonly<Record<string, (main: Strategy<T>) => Strategy<T>>>
  /** To and from the hub, of a version that is not the hub itself. */
  readonly conversion?: (types: TypeTable) => Conversion
  /** A field label of this version -> the hub's. Absent: they have the same. */
  readonly storedLabel?: (label: string) => string
  /** Fields that selectors may name and that are not simply paths. */
  readonly fieldOf?: Resource['fieldOf']
  /** Cells of its tables, by the names that its columns have for them. */
  readonly cells?: Readonly<Record<string, CellFunction>>
}

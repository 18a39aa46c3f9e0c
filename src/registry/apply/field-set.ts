/**
 * A set of paths to fields, as a tree of steps. A path is a member by itself; its prefixes need not be.
 *
 * Immutable once built: `put` belongs to who builds a set; all else returns a new set, which shares unchanged parts.
 * Steps are texts in the form of path-element.ts.
 */
import { elementText, sortElements } from './path-element.ts'

interface Node {
  readonly member: boolean
  readonly below: FieldSet | undefined
}

export class FieldSet {
  static readonly EMPTY: FieldSet = new FieldSet()
  readonly #nodes = new Map<string, Node>()

  /** @param paths each a list of steps. */
  static of(...paths: readonly (readonly string[])[]): FieldSet {
    return FieldSet.unionOf(paths.map(singlePath))
  }

  /** All sets in one. Pairs are joined first: adding many small sets to a large one would take quadratic time. */
  static unionOf(sets: readonly FieldSet[]): FieldSet {
    let level = sets
    while (level.length > 1)
      level = level.flatMap((set, i) => (i % 2 === 0 ? [set.union(level[i + 1] ?? FieldSet.EMPTY)] : []))
    return level[0] ?? FieldSet.EMPTY
  }

  /** Adds a step while the set is built: as a member, with a set below it, or both. */
  put(element: string, member: boolean, below?: FieldSet): void {
    const kept = below?.isEmpty === false ? below : undefined
    if (member || kept) this.#nodes.set(element, { member, below: kept })
  }

  get isEmpty(): boolean {
    return this.#nodes.size === 0
  }
  hasMember(element: string): boolean {
    return this.#nodes.get(element)?.member === true
  }
  /** What is owned below a step. */
  below(element: string): FieldSet | undefined {
    return this.#nodes.get(element)?.below
  }
  has(path: readonly string[]): boolean {
    const [first, ...rest] = path
    if (first === undefined) return false
    return rest.length === 0 ? this.hasMember(first) : (this.below(first)?.has(rest) ?? false)
  }
  /** Steps at the top, in no particular order. */
  elements(): IterableIterator<string> {
    return this.#nodes.keys()
  }

  union(other: FieldSet): FieldSet {
    if (other.isEmpty || other === this) return this
    if (this.isEmpty) return other
    const result = this.copy()
    for (const [element, node] of other.#nodes) {
      const own = this.#nodes.get(element)
      const below = own?.below && node.below ? own.below.union(node.below) : (own?.below ?? node.below)
      result.put(element, node.member || own?.member === true, below)
    }
    return result
  }

  /** Without the paths of the other set; what is below them stays. */
  difference(other: FieldSet): FieldSet {
    return this.#without(other, false)
  }
  /** Without the paths of the other set and all that is below them. */
  recursiveDifference(other: FieldSet): FieldSet {
    return this.#without(other, true)
  }
  #without(other: FieldSet, recursive: boolean): FieldSet {
    if (other.isEmpty || this.isEmpty) return this
    const result = new FieldSet()
    for (const [element, node] of this.#nodes) {
      const taken = other.#nodes.get(element)
      if (taken === undefined) {
        result.#nodes.set(element, node)
        continue
      }
      const goes = recursive && taken.member
      const below = node.below && taken.below ? node.below.#without(taken.below, recursive) : node.below
      result.put(element, node.member && !taken.member, goes ? undefined : below)
    }
    return result
  }

  intersection(other: FieldSet): FieldSet {
    const result = new FieldSet()
    for (const [element, node] of this.#nodes) {
      const shared = other.#nodes.get(element)
      if (!shared) continue
      const below = node.below && shared.below ? node.below.intersection(shared.below) : undefined
      result.put(element, node.member && shared.member, below)
    }
    return result
  }

  equals(other: FieldSet): boolean {
    if (other === this) return true
    if (other.#nodes.size !== this.#nodes.size) return false
    for (const [element, node] of this.#nodes) {
      const same = other.#nodes.get(element)
      if (same?.member !== node.member) return false
      if (!(node.below ?? FieldSet.EMPTY).equals(same.below ?? FieldSet.EMPTY)) return false
    }
    return true
  }

  /** Paths without another one below them. */
  leaves(): FieldSet {
    const result = new FieldSet()
    for (const [element, { member, below }] of this.#nodes) result.put(element, member && !below, below?.leaves())
    return result
  }

  /** Each path as error texts show it, sorted; at each step its members come before what is below them. */
  *texts(prefix = ''): Generator<string> {
    const sorted = sortElements(this.#nodes.keys())
    for (const element of sorted) if (this.hasMember(element)) yield prefix + elementText(element)
    for (const element of sorted) yield* this.below(element)?.texts(prefix + elementText(element)) ?? []
  }

  /** For a builder that goes on from this set. */
  copy(): FieldSet {
    const copy = new FieldSet()
    for (const [element, node] of this.#nodes) copy.#nodes.set(element, node)
    return copy
  }
}

function singlePath(path: readonly string[]): FieldSet {
  let set = FieldSet.EMPTY
  for (let i = path.length - 1; i >= 0; i--) {
    const parent = new FieldSet()
    parent.put(path[i]!, i === path.length - 1, set)
    set = parent
  }
  return set
}

/**
 * A JSON number that was written as a float although its value is integral: 1.0, 1e3. Go's decoder tells it
 * from an integer, JavaScript's does not. It appears only where a reader was asked for it.
 */
export class JsonFloat {
  readonly value: number
  /** As it stood in the document. */
  readonly literal: string
  constructor(value: number, literal: string) {
    this.value = value
    this.literal = literal
  }
  toJSON(): number {
    return this.value
  }
}

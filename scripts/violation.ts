/** What a check of the tree reports. */
export interface Violation {
  /** From the root of the project. */
  readonly file: string
  readonly line: number
  readonly message: string
}

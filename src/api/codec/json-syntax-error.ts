/** Malformed JSON, worded as Go's encoding/json does. The offset counts UTF-16 units. */
export class JsonSyntaxError extends Error {
  override readonly name = 'JsonSyntaxError'
  readonly offset: number
  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

/** A character as Go prints it in these errors: 'x', '\n', '\u00e4'. */
export function quoteCharacter(c: string): string {
  if (c === "'") return String.raw`'\''`
  if (c === '"') return `'"'`
  const code = c.codePointAt(0)!
  const short = SHORT.get(code)
  if (short !== undefined) return `'\\${short}'`
  if (code < 0x20 || code === 0x7f) return `'\\x${code.toString(16).padStart(2, '0')}'`
  // Go looks at bytes: of a character beyond ASCII it shows the first byte, as a Latin-1 character.
  if (code > 0x7f) return `'${String.fromCharCode(new TextEncoder().encode(c)[0]!)}'`
  return `'${c}'`
}
const SHORT: ReadonlyMap<number, string> = new Map([
  [7, 'a'],
  [8, 'b'],
  [9, 't'],
  [10, 'n'],
  [11, 'v'],
  [12, 'f'],
  [13, 'r'],
  [92, '\\'],
])

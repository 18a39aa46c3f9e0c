/**
 * Writes JSON as Go's encoding/json does: <, >, & and the line separators of JavaScript are escaped, bigints
 * are integers.
 */

// JSON.stringify leaves these five as they are and can only have them inside strings.
const ESCAPED = /[<>&\u2028\u2029]/g
const ESCAPED_BYTES: Readonly<Record<string, string>> = {
  '<': String.raw`\u003c`,
  '>': String.raw`\u003e`,
  '&': String.raw`\u0026`,
  '\u2028': String.raw`\u2028`,
  '\u2029': String.raw`\u2029`,
}

/** @param pretty two spaces of indent; empty objects and lists stay `{}` and `[]`, as in Go. */
export function encodeJson(value: unknown, options: { readonly pretty?: boolean } = {}): string {
  const indent = options.pretty === true ? 2 : undefined
  let text: string
  try {
    text = JSON.stringify(value, null, indent)
  } catch (error) {
    // A TypeError is a bigint (or a cycle, which throws again below): the replacer makes writing slow.
    if (!(error instanceof TypeError)) throw error
    text = JSON.stringify(value, exactBigints, indent)
  }
  return text.replace(ESCAPED, (c) => ESCAPED_BYTES[c]!)
}

/** JSON.rawJSON is V8's own; TypeScript's library does not declare it yet. */
declare global {
  interface JSON {
    rawJSON(text: string): unknown
  }
}
function exactBigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? JSON.rawJSON(String(value)) : value
}

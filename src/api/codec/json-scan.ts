/**
 * One pass over JSON text that finds out whether JSON.parse reads it as Go would. It does not check the
 * grammar: JSON.parse does.
 */

/** Go's limit on nesting. */
export const MAX_DEPTH = 10_000
/**
 * Of a request's body: members of objects and items of lists together. A document of so many takes about as long as
 * the event loop may be held; the largest objects that are in use have half as many.
 */
export const MAX_VALUES = 50_000

export interface JsonScan {
  /** No number of 16 digits or more or with an exponent, no surrogate escapes, not too deep. */
  readonly plain: boolean
  /** Some number has a point. */
  readonly floats: boolean
  /** Colons outside strings: the number of keys, repeated ones included. */
  readonly colons: number
  /** Values outside strings, at least as many as there are. */
  readonly values: number
}

const QUOTE = 34
const BACKSLASH = 92
const COLON = 58
const COMMA = 44
const SURROGATE_ESCAPE = /\\u[dD][89a-fA-F]/
/** Up to 15 digits an integer is exact as a double. */
const SAFE_DIGITS = 15

export function scanJson(text: string): JsonScan {
  let colons = 0
  let values = 1
  let depth = 0
  let deepest = 0
  let floats = false
  let longNumber = false
  let exponents = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === QUOTE) {
      i = endOfString(text, i)
    } else if (c === COLON) colons++
    else if (c === COMMA) values++
    else if (c === 123 || c === 91) {
      values++
      if (++depth > deepest) deepest = depth
    } else if (c === 125 || c === 93) depth--
    else if (c >= 48 && c <= 57) {
      const end = endOfDigits(text, i)
      if (end - i > SAFE_DIGITS) longNumber = true
      i = end - 1
      const next = text.charCodeAt(end)
      if (next === 46) floats = true
      else if (next === 101 || next === 69) exponents = true
    }
  }
  const surrogates = text.includes('\\u') && SURROGATE_ESCAPE.test(text)
  const plain = !longNumber && !exponents && !surrogates && deepest <= MAX_DEPTH
  return { plain, floats, colons, values }
}

function endOfDigits(text: string, from: number): number {
  let i = from + 1
  for (let c = text.charCodeAt(i); c >= 48 && c <= 57; c = text.charCodeAt(++i));
  return i
}

/** @returns the index of the closing quote, or the text's length. */
export function endOfString(text: string, open: number): number {
  for (let at = text.indexOf('"', open + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let backslashes = 0
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return at
  }
  return text.length
}

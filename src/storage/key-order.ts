/** The order of keys: that of their UTF-8 bytes, which JavaScript's own string order is not above U+D7FF. */

/** Negative, zero or positive. O(length of the common prefix). */
export function compareKeys(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length)
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i)
    const y = b.charCodeAt(i)
    if (x !== y) return x >= 0xd800 && y >= 0xd800 ? rank(x) - rank(y) : x - y
  }
  return a.length - b.length
}
/** Surrogates stand for code points above U+FFFF: in UTF-8 they come after U+E000 to U+FFFF. */
const rank = (unit: number): number => (unit < 0xe000 ? unit + 0x2000 : unit - 0x800)

/**
 * The index of the first element whose key is not less than the given one. O(log n).
 * @param keyOf for arrays of something that has a key.
 */
export function lowerBound<T>(sorted: readonly T[], key: string, keyOf: (element: T) => string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(keyOf(sorted[middle]!), key) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** The smallest key that is greater than this one. */
export const keyAfter = (key: string): string => `${key}\0`

/**
 * Bytes as text, one character up to U+00FF for each. For what is small, many and kept for a while: a text lies in V8's
 * own heap, which is compacted; a buffer's memory is malloc's, and thousands of small ones that come and go leave that in
 * pieces which never go back to the system.
 */
declare const brand: unique symbol
export type ByteText = string & { readonly [brand]: 'bytes' }

export function byteText(bytes: Uint8Array): ByteText {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1') as ByteText
}
/** The bytes of a text in UTF-8. */
export function utf8ByteText(text: string): ByteText {
  return Buffer.byteLength(text) === text.length ? (text as ByteText) : byteText(Buffer.from(text))
}
export function bytesOf(text: ByteText): Buffer {
  return Buffer.from(text, 'latin1')
}

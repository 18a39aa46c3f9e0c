/** Bytes in memory that threads share: handed from one to another, they are not copied. */

export function sharedCopy(bytes: Uint8Array): Uint8Array {
  return sharedConcat([bytes], bytes.byteLength)
}
/** @param size of all together. */
export function sharedConcat(chunks: Iterable<Uint8Array>, size: number): Uint8Array {
  const all = new Uint8Array(new SharedArrayBuffer(size))
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.byteLength
  }
  return all
}
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}

/** Header names cannot hold every byte of an extra's key: %XX stands for the others. Malformed escapes stay as they are. */
export function unescapeExtraKey(key: string): string {
  try {
    return decodeURIComponent(key)
  } catch {
    return key
  }
}

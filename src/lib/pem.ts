const BEGIN = '-----BEGIN CERTIFICATE-----'
const END = '-----END CERTIFICATE-----'

/** The certificates of a PEM text, each with its first and last line. O(n): a pattern would look for each end anew. */
export function pemCertificates(text: string): string[] {
  const found: string[] = []
  let at = 0
  for (;;) {
    const begin = text.indexOf(BEGIN, at)
    const end = begin < 0 ? -1 : text.indexOf(END, begin)
    if (end < 0) return found
    at = end + END.length
    found.push(text.slice(begin, at))
  }
}

/** Texts in Go's forms, where they appear on the wire. */

const ESCAPES: Record<string, string> = {
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\v': '\\v',
  '\u0007': '\\a',
}
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const NEEDS_ESCAPE = /[\u0000-\u001f"\\\u007f-\u00a0\u00ad\u2028\u2029\ufeff\ufffd\ud800-\udfff]/gu

/** Quotes as Go's %q does. */
export function goQuote(text: string): string {
  const escaped = text.replace(NEEDS_ESCAPE, (c) => {
    const short = ESCAPES[c]
    if (short !== undefined) return short
    const code = c.codePointAt(0)!
    if (code >= 0xd800 && code <= 0xdfff) return '\ufffd'
    if (code === 0xfffd) return c
    return code < 0x80 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`
  })
  return `"${escaped}"`
}

/** Flat header lists (name, value, name, value ...) and the case-insensitive view on them. */
import type { HeaderList, HeaderView } from './exchange.ts'

/** @param name lower case. @returns the first value. */
export function headerValue(headers: HeaderList, name: string): string | undefined {
  for (let i = 0; i < headers.length; i += 2) if (isNamed(headers[i]!, name)) return headers[i + 1]!
  return undefined
}
/** @param name lower case. */
export function headerValues(headers: HeaderList, name: string): string[] {
  const values: string[] = []
  for (let i = 0; i < headers.length; i += 2) if (isNamed(headers[i]!, name)) values.push(headers[i + 1]!)
  return values
}
/** Compares without looking at a name whose length differs already. */
export function isNamed(given: string, lowerCaseName: string): boolean {
  return given.length === lowerCaseName.length && (given === lowerCaseName || lowerName(given) === lowerCaseName)
}

/** The same few names come with each message: what was found out of one is kept, of tokens only. */
const seen = new Map<string, string>()
const MAX_SEEN = 1_024
const MAX_SEEN_LENGTH = 64
export function lowerName(name: string): string {
  return seen.get(name) ?? look(name)
}
function look(name: string): string {
  const lower = name.toLowerCase()
  if (name.length > MAX_SEEN_LENGTH || !TOKEN.test(name)) return lower
  if (seen.size >= MAX_SEEN) seen.clear()
  seen.set(name, lower)
  return lower
}
/** The part of a text from `from` to `to`, without the blanks at its ends. O(n), whatever it holds. */
export function withoutBlanks(text: string, from = 0, to = text.length): string {
  let [first, end] = [from, to]
  while (first < end && isBlank(text.charCodeAt(first))) first++
  while (end > first && isBlank(text.charCodeAt(end - 1))) end--
  return text.slice(first, end)
}
const isBlank = (code: number): boolean => code === SPACE || code === TAB

/** The comma-separated members of all values, lower case, without blanks and empty ones. */
export function tokensOf(headers: HeaderList, name: string): string[] {
  const tokens: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    if (!isNamed(headers[i]!, name)) continue
    for (const part of headers[i + 1]!.split(',')) {
      const token = part.trim().toLowerCase()
      if (token !== '') tokens.push(token)
    }
  }
  return tokens
}

export class ListView implements HeaderView {
  readonly raw: HeaderList
  constructor(raw: HeaderList) {
    this.raw = raw
  }
  get(name: string): string | undefined {
    return headerValue(this.raw, name)
  }
  all(name: string): readonly string[] {
    return headerValues(this.raw, name)
  }
  has(name: string): boolean {
    return headerValue(this.raw, name) !== undefined
  }
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

export function isToken(text: string): boolean {
  return seen.has(text) || TOKEN.test(text)
}
const SENDABLE = /^[\t\x20-\x7e\x80-\xff]*$/
const [TAB, SPACE, DELETE, LAST] = [0x09, 0x20, 0x7f, 0xff]
/** Below this, a regular expression takes longer to call than a loop. */
const SHORT = 16
/** Each header of each message is looked at. */
function isSendable(value: string): boolean {
  if (value.length >= SHORT) return SENDABLE.test(value)
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if ((code < SPACE && code !== TAB) || code === DELETE || code > LAST) return false
  }
  return true
}
// oxlint-disable-next-line no-control-regex -- what is beyond ASCII is looked for
const ASCII = /^[\u0000-\u007f]*$/
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/**
 * What a value says: lists hold bytes as characters up to U+00FF, and values are UTF-8, as Go's servers and clients have it.
 * @returns undefined where the bytes are no UTF-8.
 */
export function textOfValue(value: string): string | undefined {
  if (ASCII.test(value)) return value
  try {
    return UTF8.decode(Buffer.from(value, 'latin1'))
  } catch {
    return undefined
  }
}
/** The other way: a text as the bytes that a list holds. */
export function valueOfText(text: string): string {
  return ASCII.test(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/**
 * A value as it may be sent: bytes as characters up to U+00FF; text beyond that is turned into UTF-8 bytes.
 * @throws TypeError on CR, LF, NUL and other control characters: they would start a header of their own.
 */
export function sendableValue(name: string, value: string): string {
  if (isSendable(value)) return value
  const bytes = Buffer.from(value, 'utf8').toString('latin1')
  if (!isSendable(bytes)) throw new TypeError(`header ${name} has a value that cannot be sent`)
  return bytes
}

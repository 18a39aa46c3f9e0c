/**
 * The slow and exact half of the JSON reader. A state machine with a stack of its own: nesting of 10,000 does
 * not touch the call stack.
 *
 *   value --scalar or closed container--> after value --comma--> value (arrays), key (objects)
 *     ^---------------- [ or key: ---------------'   --bracket--> after value of the parent
 */
import { cut } from '../field-error.ts'
import { JsonFloat } from './json-float.ts'
import { endOfString, MAX_DEPTH } from './json-scan.ts'
import { JsonSyntaxError, quoteCharacter } from './json-syntax-error.ts'

/** A key that came again: `at` is how many different keys the object had before the repetition. */
export interface Duplicate {
  readonly key: string
  readonly at: number
}
export interface ParsedJson {
  readonly value: unknown
  /** By the object that holds the key; undefined when there are none. */
  readonly duplicates: ReadonlyMap<object, readonly Duplicate[]> | undefined
}

type Frame =
  | { readonly kind: 'array'; readonly value: unknown[] }
  | { readonly kind: 'object'; readonly value: Record<string, unknown>; key: string; keys: number }

const SPACE = /[ \t\r\n]*/y
const PLAIN_CHARACTERS = /[^"\\\u0000-\u001f]*/y // oxlint-disable-line no-control-regex -- JSON refuses them
const NUMBER = /-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?/y
const HEX = /^[0-9a-fA-F]$/
const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['"', '"'],
  ['\\', '\\'],
  ['/', '/'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
])
const LITERALS: readonly (readonly [string, unknown])[] = [
  ['true', true],
  ['false', false],
  ['null', null],
]
/** The length of the longest literal, with its sign. Reading more digits takes time that grows with their square. */
const INT64_CHARACTERS = 20
const MAX_INT64 = 2n ** 63n - 1n
const MIN_INT64 = -(2n ** 63n)

export class ExactJsonReader {
  readonly #text: string
  readonly #wrapFloats: boolean
  readonly #stack: Frame[] = []
  #duplicates: Map<object, Duplicate[]> | undefined
  #at = 0

  constructor(text: string, wrapFloats: boolean) {
    this.#text = text
    this.#wrapFloats = wrapFloats
  }

  /** @throws JsonSyntaxError */
  read(): ParsedJson {
    for (;;) {
      let value = this.#beginValue()
      if (value === OPENED) continue
      for (;;) {
        const frame = this.#stack.at(-1)
        if (!frame) return this.#finish(value)
        this.#attach(frame, value)
        if (this.#goesOn(frame)) break
        value = this.#stack.pop()!.value
      }
    }
  }

  #finish(value: unknown): ParsedJson {
    this.#skipSpace()
    if (this.#at < this.#text.length) throw this.#unexpected('after top-level value')
    return { value, duplicates: this.#duplicates }
  }

  /** Reads a scalar or an empty container, or opens a container and stands before its first value. */
  #beginValue(): unknown {
    this.#skipSpace()
    const c = this.#text[this.#at]
    if (c === '{') return this.#openObject()
    if (c === '[') return this.#openArray()
    if (c === '"') return this.#readString()
    if (c === '-' || (c !== undefined && c >= '0' && c <= '9')) return this.#readNumber()
    const literal = LITERALS.find(([text]) => text[0] === c)
    if (literal) return this.#readLiteral(literal[0], literal[1])
    throw this.#unexpected('looking for beginning of value')
  }

  #openObject(): unknown {
    this.#checkDepth()
    this.#at++
    const frame: Frame = { kind: 'object', value: {}, key: '', keys: 0 }
    if (this.#take('}')) return frame.value
    this.#stack.push(frame)
    this.#readKey(frame)
    return OPENED
  }

  #openArray(): unknown {
    this.#checkDepth()
    this.#at++
    const frame: Frame = { kind: 'array', value: [] }
    if (this.#take(']')) return frame.value
    this.#stack.push(frame)
    return OPENED
  }

  #readKey(frame: Frame & { kind: 'object' }): void {
    this.#skipSpace()
    if (this.#text[this.#at] !== '"') throw this.#unexpected('looking for beginning of object key string')
    frame.key = this.#readString()
    if (!this.#take(':')) throw this.#unexpected('after object key')
  }

  #attach(frame: Frame, value: unknown): void {
    if (frame.kind === 'array') {
      frame.value.push(value)
      return
    }
    if (Object.hasOwn(frame.value, frame.key)) this.#reportDuplicate(frame)
    else frame.keys++
    setOwn(frame.value, frame.key, value)
  }

  #reportDuplicate(frame: Frame & { kind: 'object' }): void {
    this.#duplicates ??= new Map()
    const known = this.#duplicates.get(frame.value)
    const duplicate = { key: frame.key, at: frame.keys }
    if (known) known.push(duplicate)
    else this.#duplicates.set(frame.value, [duplicate])
  }

  /** After a value: another one follows (true), or the container is closed (false). */
  #goesOn(frame: Frame): boolean {
    if (this.#take(',')) {
      if (frame.kind === 'object') this.#readKey(frame)
      return true
    }
    if (this.#take(frame.kind === 'object' ? '}' : ']')) return false
    throw this.#unexpected(frame.kind === 'object' ? 'after object key:value pair' : 'after array element')
  }

  #readString(): string {
    let text = ''
    let tried = false
    const start = this.#at++
    for (;;) {
      text += this.#match(PLAIN_CHARACTERS)![0]
      const c = this.#text[this.#at]
      if (c === '"') break
      if (c !== '\\') throw this.#unexpected('in string literal')
      if (!tried) {
        tried = true
        const whole = this.#readEscaped(start)
        if (whole !== undefined) return whole
      }
      text += this.#readEscape()
    }
    this.#at++
    return text.toWellFormed()
  }

  /** @returns undefined where something is wrong with it, which is then found character by character. */
  #readEscaped(start: number): string | undefined {
    const end = endOfString(this.#text, start)
    try {
      const text = JSON.parse(this.#text.slice(start, end + 1)) as string
      this.#at = end + 1
      return text.toWellFormed()
    } catch {
      return undefined
    }
  }

  #readEscape(): string {
    this.#at++
    const c = this.#text[this.#at] ?? ''
    if (c === 'u') return this.#readUnicodeEscape()
    const plain = ESCAPES.get(c)
    if (plain === undefined) throw this.#unexpected('in string escape code')
    this.#at++
    return plain
  }

  #readUnicodeEscape(): string {
    let code = 0
    for (let digit = 0; digit < 4; digit++) {
      this.#at++
      const c = this.#text[this.#at] ?? ''
      if (!HEX.test(c)) throw this.#unexpected(String.raw`in \u hexadecimal character escape`)
      code = code * 16 + Number.parseInt(c, 16)
    }
    this.#at++
    return String.fromCharCode(code)
  }

  #readLiteral(text: string, value: unknown): unknown {
    for (const expected of text) {
      if (this.#text[this.#at] !== expected)
        throw this.#unexpected(`in literal ${text} (expecting ${quoteCharacter(expected)})`)
      this.#at++
    }
    return value
  }

  #readNumber(): unknown {
    const match = this.#match(NUMBER)
    if (!match) {
      this.#at++
      throw this.#unexpected('in numeric literal')
    }
    this.#checkNumberEnd(match)
    const literal = match[0]
    if (match[1] !== undefined || match[2] !== undefined) return this.#float(literal)
    if (literal.length <= 15) return Number(literal)
    return literal.length > INT64_CHARACTERS ? this.#finite(literal) : exactInteger(literal)
  }

  /** The pattern stops before a point or an exponent without digits: that is where Go stumbles. */
  #checkNumberEnd(match: RegExpExecArray): void {
    const next = this.#text[this.#at]
    if (next === '.' && match[1] === undefined && match[2] === undefined) {
      this.#at++
      throw this.#unexpected('after decimal point in numeric literal')
    }
    if ((next === 'e' || next === 'E') && match[2] === undefined) {
      this.#at++
      if (this.#text[this.#at] === '+' || this.#text[this.#at] === '-') this.#at++
      throw this.#unexpected('in exponent of numeric literal')
    }
  }

  #float(literal: string): unknown {
    const value = this.#finite(literal)
    return this.#wrapFloats && Number.isInteger(value) ? new JsonFloat(value, literal) : value
  }

  #finite(literal: string): number {
    const value = Number(literal)
    if (Number.isFinite(value)) return value
    throw new JsonSyntaxError(`json: cannot unmarshal number ${cut(literal)} into Go value of type float64`, this.#at)
  }

  #checkDepth(): void {
    if (this.#stack.length >= MAX_DEPTH) throw this.#unexpected('exceeded max depth')
  }

  #skipSpace(): void {
    this.#match(SPACE)
  }

  /** Skips space and takes c if it stands there. */
  #take(c: string): boolean {
    this.#skipSpace()
    if (this.#text[this.#at] !== c) return false
    this.#at++
    return true
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (match) this.#at = pattern.lastIndex
    return match
  }

  #unexpected(context: string): JsonSyntaxError {
    const code = this.#text.codePointAt(this.#at)
    if (code === undefined) return new JsonSyntaxError('unexpected end of JSON input', this.#at)
    const c = quoteCharacter(String.fromCodePoint(code))
    return new JsonSyntaxError(`invalid character ${c} ${context}`, this.#at)
  }
}

const OPENED = Symbol('a container was opened')

/** An integer beyond int64 is a float, as in Go's untyped decoding. */
function exactInteger(literal: string): number | bigint {
  const exact = BigInt(literal)
  const near = Number(exact)
  if (Number.isSafeInteger(near)) return near
  return exact <= MAX_INT64 && exact >= MIN_INT64 ? exact : Number(literal)
}

/** `__proto__` becomes an ordinary key instead of the object's prototype. */
export function setOwn(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key === '__proto__')
    Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
  else target[key] = value
}

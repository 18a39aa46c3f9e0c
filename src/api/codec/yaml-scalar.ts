/** Plain scalars as goyaml v2 resolves them: YAML 1.1 without times and sexagesimal numbers. */
import { JsonFloat } from './json-float.ts'

const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...words(true, 'y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'),
  ...words(false, 'n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'),
  ...words(null, '', '~', 'null', 'Null', 'NULL'),
])
const NUMBER_START = /^[-+.0-9]/
const INTEGER = /^[-+]?(?:0x[0-9a-fA-F]+|0o[0-7]+|0b[01]+|[0-9]+)$/
const FLOAT = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/
/** The length of the longest literal: base two, with some zeros in front. */
const INT64_CHARACTERS = 128
const MAX_INT64 = 2n ** 63n - 1n

export function resolveYamlScalar(text: string, wrapFloats: boolean): unknown {
  if (WORDS.has(text)) return WORDS.get(text)
  if (!NUMBER_START.test(text)) return text
  const digits = text.replaceAll('_', '')
  if (INTEGER.test(digits)) {
    const integer = resolveInteger(digits)
    if (integer !== undefined) return integer
  }
  if (!FLOAT.test(digits)) return text
  const value = Number(digits)
  if (!Number.isFinite(value)) return text
  return wrapFloats && Number.isInteger(value) ? new JsonFloat(value, text) : value
}

/** A leading zero means octal, as in Go. @returns undefined where the digits are none of the base, or too many. */
function resolveInteger(digits: string): number | bigint | undefined {
  const negative = digits.startsWith('-')
  const body = digits.replace(/^[-+]/, '')
  let literal = body
  if (/^0[0-9]/.test(body)) {
    if (/[89]/.test(body)) return undefined
    literal = `0o${body.slice(1)}`
  }
  if (literal.length > INT64_CHARACTERS) return undefined
  const magnitude = BigInt(literal)
  const value = negative ? -magnitude : magnitude
  if (value > MAX_INT64 || value < -MAX_INT64 - 1n) return undefined
  const near = Number(value)
  return Number.isSafeInteger(near) ? near : value
}

function words(value: unknown, ...names: string[]): [string, unknown][] {
  return names.map((name) => [name, value])
}

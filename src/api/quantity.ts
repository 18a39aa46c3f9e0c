/**
 * Quantities such as `100m`, `1.5Gi` or `2e3`: a number and a suffix. Texts become canonical when they are read: without
 * a fraction, with the largest suffix that loses nothing.
 *
 * Source: Kubernetes v1.35, apimachinery's resource.Quantity, whose behaviour was also asked of a running server.
 */

export type QuantityFormat = 'binary' | 'decimal' | 'exponent'
export interface Quantity {
  /** In billionths, which is the smallest step: what is smaller is rounded away from zero. */
  readonly nanos: bigint
  readonly format: QuantityFormat
}

export class QuantityError extends Error {
  override readonly name = 'QuantityError'
}

const PATTERN = /^([+-]?)([0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$/
const WRONG_FORMAT = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
const WRONG_SUFFIX = "unable to parse quantity's suffix"
const DECIMAL = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E']
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
/** Exponents beyond this have no use, and numbers of that length no place in a server. */
const MAX_EXPONENT = 1000
const NANO = 9
const MAX_BINARY = (2n ** 63n - 1n) * 10n ** 9n
/** A text of so few digits stays as its author wrote it where it says no less than the canonical one. */
const KEPT_DIGITS = 18

interface Parts {
  readonly negative: boolean
  readonly integer: string
  readonly fraction: string
  readonly base: 2 | 10
  readonly exponent: number
  readonly format: QuantityFormat
}

/** @throws QuantityError in upstream's words. */
export function parseQuantity(text: string): Quantity {
  return valueOf(partsOf(text))
}

/** The text as servers show it. @throws QuantityError in upstream's words. */
export function canonicalQuantity(text: string): string {
  const trimmed = text.trim()
  const parts = partsOf(trimmed)
  const { nanos, format } = valueOf(parts)
  const canonical = formatQuantity({ nanos, format })
  return isKept(parts, canonical) ? trimmed : canonical
}

export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return '0'
  const whole = nanos % 10n ** 9n === 0n ? nanos / 10n ** 9n : undefined
  if (format === 'binary' && whole !== undefined && (whole >= 1024n || whole <= -1024n)) return binaryText(whole)
  const [mantissa, exponent] = decimalOf(nanos)
  if (format === 'exponent') return exponent === 0 ? String(mantissa) : `${mantissa}e${exponent}`
  return `${mantissa}${DECIMAL[exponent / 3 + 3] ?? ''}`
}

function partsOf(text: string): Parts {
  const found = PATTERN.exec(text)
  if (!found) throw new QuantityError(WRONG_FORMAT)
  const [, sign, number, suffix = ''] = found
  const [integer = '', fraction = '', ...more] = number!.split('.')
  if (more.length > 0) throw new QuantityError(WRONG_FORMAT)
  return { negative: sign === '-', integer: integer.replace(/^0+/, ''), fraction, ...suffixOf(suffix) }
}

function suffixOf(suffix: string): Pick<Parts, 'base' | 'exponent' | 'format'> {
  const binary = suffix === '' ? -1 : BINARY.indexOf(suffix)
  if (binary > 0) return { base: 2, exponent: binary * 10, format: 'binary' }
  const decimal = DECIMAL.indexOf(suffix)
  if (decimal >= 0) return { base: 10, exponent: (decimal - 3) * 3, format: 'decimal' }
  const exponent = /^[eE]([-+]?\d+)$/.exec(suffix)?.[1]
  if (exponent === undefined || Math.abs(Number(exponent)) > MAX_EXPONENT) throw new QuantityError(WRONG_SUFFIX)
  return { base: 10, exponent: Number(exponent), format: 'exponent' }
}

function valueOf({ negative, integer, fraction, base, exponent, format }: Parts): Quantity {
  let digits = BigInt(`${integer}${fraction}` || '0')
  if (base === 2) digits *= 2n ** BigInt(exponent)
  const scale = NANO - fraction.length + (base === 10 ? exponent : 0)
  let nanos = scale >= 0 ? digits * 10n ** BigInt(scale) : dividedUp(digits, 10n ** BigInt(-scale))
  if (format === 'binary' && nanos > MAX_BINARY) nanos = MAX_BINARY
  return { nanos: negative ? -nanos : nanos, format }
}
const dividedUp = (value: bigint, by: bigint): bigint => (value + by - 1n) / by

/** With an exponent that is a multiple of three. */
function decimalOf(nanos: bigint): [mantissa: bigint, exponent: number] {
  let [mantissa, exponent] = [nanos, -NANO]
  while (mantissa % 1000n === 0n) {
    mantissa /= 1000n
    exponent += 3
  }
  return [mantissa, exponent]
}

function binaryText(whole: bigint): string {
  let [mantissa, power] = [whole, 0]
  while (mantissa % 1024n === 0n && power < BINARY.length - 1) {
    mantissa /= 1024n
    power++
  }
  return `${mantissa}${BINARY[power]}`
}

/** Where the digits and the exponent are those of the canonical text, upstream shows what it was given: `+5`, `1e03`. */
function isKept({ negative, integer, fraction, exponent, base, format }: Parts, canonical: string): boolean {
  if (fraction !== '' || integer === '' || integer.length > KEPT_DIGITS) return false
  const suffix =
    base === 2
      ? BINARY[exponent / 10]
      : format === 'decimal'
        ? DECIMAL[exponent / 3 + 3]
        : exponent === 0
          ? ''
          : `e${exponent}`
  return canonical === `${negative ? '-' : ''}${integer}${suffix}`
}

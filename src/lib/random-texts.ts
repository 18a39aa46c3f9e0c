/**
 * Texts of a pattern with random hex digits in it, some at once: a call into the crypto library, or one that makes a text
 * out of bytes, costs as much for many as for one. No more than sixteen, since what keeps one keeps all of them. Pieces of
 * one flat text are sent faster than a text that is put together of others, as randomUUID() makes it.
 */
import { randomFillSync } from 'node:crypto'

const RANDOM_BYTES = 16_384
const TEXTS_AT_ONCE = 16
const DIGITS = Buffer.from('0123456789abcdef')
const VARIANTS = Buffer.from('89ab')
/** By byte: its two digits. */
const PAIRS = Uint16Array.from({ length: 256 }, (_, byte) => (DIGITS[byte >> 4]! << 8) | DIGITS[byte & 15]!)

export class RandomTexts {
  readonly #length: number
  /** Places in all texts, a random byte for each. */
  readonly #pairs: Uint16Array
  readonly #digits: Uint16Array
  readonly #variants: Uint16Array
  readonly #random = Buffer.allocUnsafeSlow(RANDOM_BYTES)
  #used = RANDOM_BYTES
  readonly #bytes: Buffer
  readonly #view: DataView
  #texts = ''
  #at = 0

  /** @param pattern `x`: a digit; `y`: one of 8, 9, a and b, which in a UUID says what kind it is. */
  constructor(pattern: string) {
    this.#length = pattern.length
    const all = pattern.repeat(TEXTS_AT_ONCE)
    this.#bytes = Buffer.from(all)
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length)
    this.#pairs = placesOf(/xx/g, all)
    this.#digits = placesOf(/x/g, all.replaceAll('xx', '  '))
    this.#variants = placesOf(/y/g, all)
  }
  next(): string {
    if (this.#at === this.#texts.length) this.#refill()
    return this.#texts.slice(this.#at, (this.#at += this.#length))
  }

  #refill(): void {
    const pairs = this.#pairs
    if (this.#used + pairs.length + this.#digits.length + this.#variants.length > RANDOM_BYTES) {
      randomFillSync(this.#random)
      this.#used = 0
    }
    let used = this.#used
    for (let i = 0; i < pairs.length; i++) this.#view.setUint16(pairs[i]!, PAIRS[this.#random[used++]!]!)
    for (const place of this.#digits) this.#bytes[place] = DIGITS[this.#random[used++]! & 15]!
    for (const place of this.#variants) this.#bytes[place] = VARIANTS[this.#random[used++]! & 3]!
    this.#used = used
    this.#texts = this.#bytes.toString('latin1')
    this.#at = 0
  }
}

function placesOf(what: RegExp, text: string): Uint16Array {
  return Uint16Array.from([...text.matchAll(what)].map(({ index }) => index))
}

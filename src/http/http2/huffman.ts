/**
 * Decodes Huffman-coded header strings. Source: RFC 7541 section 5.2 and appendix B.
 *
 * The code is canonical: the lengths of its words say all. Four bits are taken at a time.
 */

/** One character per byte value, and one for the end mark: the length of its word in base 36. */
const LENGTHS = [
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad67777777777777777777777878djde6',
  'f56565666577666567655677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn',
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu',
].join('')
const END_MARK = 256
const STEP_BITS = 4
const STEPS = 1 << STEP_BITS

/** Entries of the table: the next node, and what was completed on the way to it. */
const NODE_MASK = 0x1ff
const EMITS = 0x200
const SYMBOL_SHIFT = 10
const FAILS = 0x40000

interface Machine {
  /** [node * 16 + four bits] */
  readonly next: Uint32Array
  /** Where a string may end: at most seven ones of padding. */
  readonly accepts: Uint8Array
}

const MACHINE = buildMachine()

/**
 * @returns how many bytes were written to `out`, which must hold 8/5 of what is read.
 * @throws RangeError on what is no such string.
 */
export function decodeHuffman(bytes: Uint8Array, from: number, to: number, out: Uint8Array): number {
  const { next, accepts } = MACHINE
  let node = 0
  let length = 0
  for (let i = from; i < to; i++) {
    const byte = bytes[i]!
    let entry = next[node * STEPS + (byte >> STEP_BITS)]!
    if ((entry & EMITS) !== 0) out[length++] = entry >> SYMBOL_SHIFT
    const first = entry
    entry = next[(entry & NODE_MASK) * STEPS + (byte & (STEPS - 1))]!
    if (((entry | first) & FAILS) !== 0) throw new RangeError('end mark inside a Huffman-coded string')
    if ((entry & EMITS) !== 0) out[length++] = entry >> SYMBOL_SHIFT
    node = entry & NODE_MASK
  }
  if (accepts[node] === 0) throw new RangeError('Huffman-coded string with wrong padding')
  return length
}

/** A tree of two children per node; a leaf is the complement of its symbol. */
function buildTree(): number[] {
  const symbols = Array.from({ length: END_MARK + 1 }, (_, symbol) => symbol)
  const lengthOf = (symbol: number): number => Number.parseInt(LENGTHS[symbol]!, 36)
  symbols.sort((a, b) => lengthOf(a) - lengthOf(b) || a - b)
  const children = [0, 0]
  let code = 0
  let bits = 0
  for (const symbol of symbols) {
    code *= 2 ** (lengthOf(symbol) - bits)
    bits = lengthOf(symbol)
    let node = 0
    for (let bit = bits - 1; bit > 0; bit--) {
      const at = node * 2 + (Math.floor(code / 2 ** bit) % 2)
      if (children[at] === 0) children[at] = children.push(0, 0) / 2 - 1
      node = children[at]!
    }
    children[node * 2 + (code % 2)] = ~symbol
    code++
  }
  return children
}

function buildMachine(): Machine {
  const children = buildTree()
  const nodes = children.length / 2
  const next = new Uint32Array(nodes * STEPS)
  for (let node = 0; node < nodes; node++) {
    for (let step = 0; step < STEPS; step++) {
      let at = node
      let entry = 0
      for (let bit = STEP_BITS - 1; bit >= 0; bit--) {
        const child = children[at * 2 + ((step >> bit) & 1)]!
        if (child >= 0) at = child
        else {
          entry = ~child === END_MARK ? FAILS : EMITS | (~child << SYMBOL_SHIFT)
          at = 0
        }
      }
      next[node * STEPS + step] = entry | at
    }
  }
  const accepts = new Uint8Array(nodes)
  for (let node = 0, ones = 0; ones < 8; ones++, node = children[node * 2 + 1]!) accepts[node] = 1
  return { next, accepts }
}

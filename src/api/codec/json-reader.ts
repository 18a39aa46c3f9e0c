/**
 * Reads JSON exactly as Go does: integers beyond 2^53 as bigint, duplicate keys reported, the depth limited,
 * lone surrogates replaced, errors in Go's words. A document without any of these is left to JSON.parse after
 * one quick look at its text (json-scan.ts).
 *
 * Callers:  typed decoding, patches, the CRD server.
 * Not here: bytes to text (decodeUtf8 below is all), types (typed-decode.ts).
 */
import { ExactJsonReader, type ParsedJson } from './json-exact-reader.ts'
import { scanJson } from './json-scan.ts'
import { JsonSyntaxError } from './json-syntax-error.ts'

export interface ParseOptions {
  /** wrap: integral floats come as JsonFloat. Otherwise they are numbers. */
  readonly floats?: 'wrap' | 'number'
  /** Absent: as many as there are. */
  readonly maxValues?: number
}

/** @throws JsonSyntaxError. Cost: about twice JSON.parse for plain documents. */
export function parseJson(text: string, options: ParseOptions = {}): ParsedJson {
  const scan = scanJson(text)
  const { maxValues = Number.POSITIVE_INFINITY } = options
  if (scan.values > maxValues) throw new JsonSyntaxError(`exceeded max number of values of ${maxValues}`, 0)
  if (scan.plain && !(scan.floats && options.floats === 'wrap')) {
    const value = tryParse(text)
    // JSON.parse keeps one of equal keys: fewer keys than colons mean that some were repeated.
    if (value !== FAILED && countKeys(value) === scan.colons) return { value, duplicates: undefined }
  }
  return new ExactJsonReader(text, options.floats === 'wrap').read()
}

/** Invalid UTF-8 becomes U+FFFD, as in Go. A byte order mark is kept: Go refuses it. */
export function decodeUtf8(bytes: Uint8Array): string {
  return DECODER.decode(bytes)
}
const DECODER = new TextDecoder('utf-8', { ignoreBOM: true })
const FAILED = Symbol('not JSON')

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return FAILED
  }
}

/** All keys of all objects. An explicit stack: documents may nest 10,000 deep. */
function countKeys(root: unknown): number {
  let count = 0
  const open: object[] = []
  const visit = (value: unknown): void => {
    if (typeof value === 'object' && value !== null) open.push(value)
  }
  visit(root)
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (Array.isArray(node)) for (const item of node) visit(item)
    else {
      // Own keys only: what JSON.parse makes inherits nothing enumerable.
      for (const key in node) {
        count++
        visit(Reflect.get(node, key))
      }
    }
  }
  return count
}

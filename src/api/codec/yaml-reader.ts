/**
 * Reads YAML as Go's sigs.k8s.io/yaml does: one document, the scalars of YAML 1.1 (y, no, on are booleans;
 * times and sexagesimal numbers are text), keys as text, the last of equal keys wins.
 *
 * Not here: the grammar, which is the yaml package's.
 */
import {
  type Alias,
  type Document,
  type Node,
  type Pair,
  LineCounter,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  parseDocument,
  type Scalar,
  type YAMLMap,
} from 'yaml'
import { setOwn } from './json-exact-reader.ts'
import { JsonFloat } from './json-float.ts'
import { MAX_DEPTH } from './json-scan.ts'
import { resolveYamlScalar } from './yaml-scalar.ts'

/** Malformed YAML. The message starts with `yaml: `. */
export class YamlError extends Error {
  override readonly name = 'YamlError'
}
export interface ParsedYaml {
  readonly value: unknown
  /** Repeated keys, as one text in Go's words. */
  readonly problem: string | undefined
}

/** Nodes that may be visited through aliases: a bomb of nine levels would have a thousand million. */
const MAX_ALIASED_NODES = 100_000

/** @param wrapFloats integral floats come as JsonFloat. @throws YamlError */
export function parseYaml(text: string, wrapFloats = false): ParsedYaml {
  const lines = new LineCounter()
  let document: Document.Parsed
  try {
    document = parseDocument(text, {
      schema: 'failsafe',
      uniqueKeys: false,
      logLevel: 'silent',
      lineCounter: lines,
      prettyErrors: false,
    })
  } catch (error) {
    // The parser calls itself for each level of nesting.
    if (error instanceof RangeError) throw tooDeep()
    throw error
  }
  const failure = document.errors.find((e) => e.code !== 'MULTIPLE_DOCS')
  // Caught inside the parser, in some places.
  if (failure?.message.includes('call stack') === true) throw tooDeep()
  if (failure) throw new YamlError(`yaml: line ${lines.linePos(failure.pos[0]).line}: ${failure.message}`)
  const converter = new Converter(document, lines, wrapFloats)
  const value = converter.convert(document.contents, 0)
  const { repeated } = converter
  return { value, problem: repeated.length === 0 ? undefined : `yaml: unmarshal errors:\n${repeated.join('\n')}` }
}

function tooDeep(): YamlError {
  return new YamlError(`yaml: exceeded max depth of ${MAX_DEPTH}`)
}

class Converter {
  readonly repeated: string[] = []
  readonly #document: Document.Parsed
  readonly #lines: LineCounter
  readonly #wrapFloats: boolean
  readonly #open = new Set<Node>()
  #insideAlias = 0
  #aliasedNodes = 0

  constructor(document: Document.Parsed, lines: LineCounter, wrapFloats: boolean) {
    this.#document = document
    this.#lines = lines
    this.#wrapFloats = wrapFloats
  }

  convert(node: unknown, depth: number): unknown {
    if (depth > MAX_DEPTH) throw tooDeep()
    if (this.#insideAlias > 0 && ++this.#aliasedNodes > MAX_ALIASED_NODES)
      throw new YamlError('yaml: document contains excessive aliasing')
    if (isAlias(node)) return this.#alias(node, depth)
    if (isMap(node)) return this.#map(node, depth)
    if (isSeq(node)) return node.items.map((item) => this.convert(item, depth + 1))
    return isScalar(node) ? this.#scalar(node) : null
  }

  #alias(alias: Alias, depth: number): unknown {
    const target = alias.resolve(this.#document)
    if (!target) throw new YamlError(`yaml: unknown anchor '${alias.source}' referenced`)
    if (this.#open.has(target)) throw new YamlError(`yaml: anchor '${alias.source}' value contains itself`)
    this.#open.add(target)
    this.#insideAlias++
    const value = this.convert(target, depth + 1)
    this.#insideAlias--
    this.#open.delete(target)
    return value
  }

  #map(map: YAMLMap, depth: number): Record<string, unknown> {
    const result: Record<string, unknown> = {}
    const own = new Set<string>()
    for (const pair of map.items as Pair[]) {
      if (isMergeKey(pair.key)) this.#merge(result, own, pair.value, depth)
      else {
        const key = this.#key(pair.key, depth)
        if (own.has(key)) this.#reportRepeated(pair.key, key)
        own.add(key)
        setOwn(result, key, this.convert(pair.value, depth + 1))
      }
    }
    return result
  }

  /** Merged keys never replace those that the map has itself. */
  #merge(result: Record<string, unknown>, own: ReadonlySet<string>, source: unknown, depth: number): void {
    const value = this.convert(source, depth + 1)
    for (const part of Array.isArray(value) ? value.toReversed() : [value]) {
      if (typeof part !== 'object' || part === null)
        throw new YamlError('yaml: map merge requires map or sequence of maps as the value')
      for (const [key, child] of Object.entries(part)) if (!own.has(key)) setOwn(result, key, child)
    }
  }

  #key(node: unknown, depth: number): string {
    const key = this.convert(node, depth + 1)
    if (typeof key === 'string') return key
    if (key instanceof JsonFloat) return String(key.value)
    if (typeof key === 'number' || typeof key === 'bigint' || typeof key === 'boolean') return String(key)
    throw new YamlError(`yaml: unsupported map key of type: ${key === null ? 'nil' : 'composite'}`)
  }

  #scalar(node: Scalar): unknown {
    // The failsafe schema leaves every scalar a text.
    const text = typeof node.value === 'string' ? node.value : ''
    const tag = node.tag?.replace('tag:yaml.org,2002:', '!!')
    if (tag === '!!binary') return Buffer.from(text, 'base64').toString('utf8')
    const plain = node.type === 'PLAIN' || node.type === undefined
    if (tag === '!!str' || (tag === undefined && !plain) || tag === '!') return text
    return resolveYamlScalar(text, this.#wrapFloats)
  }

  #reportRepeated(node: unknown, key: string): void {
    const at = isScalar(node) ? (node.range?.[0] ?? 0) : 0
    this.repeated.push(`  line ${this.#lines.linePos(at).line}: key ${JSON.stringify(key)} already set in map`)
  }
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.value === '<<' && (key.type === 'PLAIN' || key.type === undefined)
}

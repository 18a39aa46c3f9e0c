/**
 * Reads YAML as Go's sigs.k8s.io/yaml does: one document, the scalars of YAML 1.1 (y, no, on are booleans;
 * times and sexagesimal numbers are text), keys as text, the last of equal keys wins.
 *
 * The document is bounded before it is parsed, by its tokens: the parser takes a time that grows with the square of
 * some of them. Up to INLINE_YAML_BYTES it is a matter of milliseconds; what is larger belongs in a thread.
 *
 * Not here: the grammar, which is the yaml package's.
 */
import {
  type Alias,
  type Document,
  type Node,
  type Pair,
  Lexer,
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
import { MAX_VALUES } from './json-scan.ts'
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

export const INLINE_YAML_BYTES = 4 * 1024
/** The parser calls itself for each level. */
const MAX_DEPTH = 1_000
/** Spaces, line ends and comments are tokens too: a member of a map on a line of its own is six. */
const MAX_TOKENS = 10 * MAX_VALUES
/** Nodes that may be visited through aliases: a bomb of nine levels would have a thousand million. */
const MAX_ALIASED_NODES = MAX_VALUES
/** The length of all texts that aliases repeat: as long as a body may be. */
const MAX_ALIASED_CHARACTERS = 3 * 1024 * 1024
/** The number of repeated keys that are told: as many as of other strict problems. */
const MAX_REPORTED = 100

/** @param wrapFloats integral floats come as JsonFloat. @throws YamlError */
export function parseYaml(text: string, wrapFloats = false): ParsedYaml {
  checkTokens(text)
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
  const converter = new Converter(lines, wrapFloats)
  const value = converter.convert(document.contents, 0)
  const { repeated } = converter
  return { value, problem: repeated.length === 0 ? undefined : `yaml: unmarshal errors:\n${repeated.join('\n')}` }
}

/** @throws YamlError for a document that is too deep, has too many tokens, or closes what is not open. */
function checkTokens(text: string): void {
  let tokens = 0
  let brackets = 0
  let indicators = 0
  let line = 1
  for (const token of new Lexer().lex(text)) {
    if (++tokens > MAX_TOKENS) throw new YamlError(`yaml: exceeded max number of tokens of ${MAX_TOKENS}`)
    switch (token) {
      case '[':
      case '{':
        brackets++
        break
      case ']':
      case '}':
        if (--brackets < 0) throw new YamlError(`yaml: line ${line}: did not find expected node content`)
        break
      case '-':
      case '?':
        indicators++
        break
      case '\n':
      case '\r\n':
        indicators = 0
        line++
    }
    if (brackets + indicators > MAX_DEPTH) throw tooDeep()
  }
}

function tooDeep(): YamlError {
  return new YamlError(`yaml: exceeded max depth of ${MAX_DEPTH}`)
}

class Converter {
  readonly repeated: string[] = []
  readonly #lines: LineCounter
  readonly #wrapFloats: boolean
  readonly #anchors = new Map<string, Node>()
  readonly #open = new Set<Node>()
  #insideAlias = 0
  #aliasedNodes = 0
  #aliasedCharacters = 0

  constructor(lines: LineCounter, wrapFloats: boolean) {
    this.#lines = lines
    this.#wrapFloats = wrapFloats
  }

  convert(node: unknown, depth: number): unknown {
    if (depth > MAX_DEPTH) throw tooDeep()
    if (this.#insideAlias > 0 && ++this.#aliasedNodes > MAX_ALIASED_NODES) throw excessive()
    if (isAlias(node)) return this.#alias(node, depth)
    this.#noteAnchor(node)
    if (isMap(node)) return this.#map(node, depth)
    if (isSeq(node)) return node.items.map((item) => this.convert(item, depth + 1))
    return isScalar(node) ? this.#scalar(node) : null
  }

  /** An anchor stands for the last node before that has it: inside of an alias, none is set anew. */
  #noteAnchor(node: unknown): void {
    const anchor = (node as { readonly anchor?: string } | null)?.anchor
    if (anchor !== undefined && this.#insideAlias === 0) this.#anchors.set(anchor, node as Node)
  }

  #alias(alias: Alias, depth: number): unknown {
    const target = this.#anchors.get(alias.source)
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
    if (this.#insideAlias > 0) this.#countCharacters(text.length)
    const tag = node.tag?.replace('tag:yaml.org,2002:', '!!')
    if (tag === '!!binary') return Buffer.from(text, 'base64').toString('utf8')
    const plain = node.type === 'PLAIN' || node.type === undefined
    if (tag === '!!str' || (tag === undefined && !plain) || tag === '!') return text
    return resolveYamlScalar(text, this.#wrapFloats)
  }

  #countCharacters(count: number): void {
    this.#aliasedCharacters += count
    if (this.#aliasedCharacters > MAX_ALIASED_CHARACTERS) throw excessive()
  }

  #reportRepeated(node: unknown, key: string): void {
    if (this.repeated.length === MAX_REPORTED) return
    const at = isScalar(node) ? (node.range?.[0] ?? 0) : 0
    this.repeated.push(`  line ${this.#lines.linePos(at).line}: key ${JSON.stringify(key)} already set in map`)
  }
}

function excessive(): YamlError {
  return new YamlError('yaml: document contains excessive aliasing')
}

function isMergeKey(key: unknown): boolean {
  return isScalar(key) && key.value === '<<' && (key.type === 'PLAIN' || key.type === undefined)
}

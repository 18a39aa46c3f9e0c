/**
 * Label selectors: the text of a labelSelector parameter, and the LabelSelector of objects, compiled to a
 * predicate over labels. Grammar and error texts are those of apimachinery's labels package.
 */
import { fieldError, fieldErrorMessage } from './field-error.ts'
import { labelValue, qualifiedName } from './names.ts'
import { type Token, tokenize } from './label-selector-tokens.ts'

export type LabelOperator = '=' | '==' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt'

export interface LabelRequirement {
  readonly key: string
  readonly operator: LabelOperator
  /** Sorted; empty for exists and !. */
  readonly values: readonly string[]
}

export type Labels = Readonly<Record<string, string>> | undefined

/** All requirements hold. No requirements: everything matches. */
export class LabelSelector {
  /** Sorted by key. */
  readonly requirements: readonly LabelRequirement[]
  readonly #tests: readonly ((labels: Labels) => boolean)[]

  constructor(requirements: readonly LabelRequirement[]) {
    this.requirements = requirements.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    this.#tests = this.requirements.map(compile)
  }
  get empty(): boolean {
    return this.requirements.length === 0
  }
  matches(labels: Labels): boolean {
    for (const test of this.#tests) if (!test(labels)) return false
    return true
  }
  toString(): string {
    return this.requirements.map(formatRequirement).join(',')
  }
}
/** @throws Error in apimachinery's words; the answer is a 400 with that text. */
export function parseLabelSelector(text: string): LabelSelector {
  return new LabelSelector(new Parser(tokenize(text)).parse())
}

export interface LabelSelectorObject {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly {
    readonly key: string
    readonly operator: string
    readonly values?: readonly string[]
  }[]
}

const OBJECT_OPERATORS: ReadonlyMap<string, LabelOperator> = new Map([
  ['In', 'in'],
  ['NotIn', 'notin'],
  ['Exists', 'exists'],
  ['DoesNotExist', '!'],
])

/** The LabelSelector of an object. @throws Error for operators that do not exist, and for keys and values that are not valid. */
export function labelSelectorOf(object: LabelSelectorObject): LabelSelector {
  const requirements = Object.entries(object.matchLabels ?? {}).map(([key, value]) => newRequirement(key, '=', [value]))
  for (const { key, operator, values = [] } of object.matchExpressions ?? []) {
    const known = OBJECT_OPERATORS.get(operator)
    if (known === undefined) throw new Error(`${JSON.stringify(operator)} is not a valid label selector operator`)
    requirements.push(newRequirement(key, known, values))
  }
  return new LabelSelector(requirements)
}

function compile({ key, operator, values }: LabelRequirement): (labels: Labels) => boolean {
  const valueOf = (labels: Labels): string | undefined =>
    labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined
  const wanted = new Set(values)
  const first = values[0] ?? ''
  switch (operator) {
    case 'exists':
      return (labels) => valueOf(labels) !== undefined
    case '!':
      return (labels) => valueOf(labels) === undefined
    case '!=':
    case 'notin':
      return (labels) => {
        const value = valueOf(labels)
        return value === undefined || !wanted.has(value)
      }
    case 'gt':
      return (labels) => compareIntegers(valueOf(labels), first) > 0
    case 'lt':
      return (labels) => compareIntegers(valueOf(labels), first) < 0
    default:
      return (labels) => {
        const value = valueOf(labels)
        return value !== undefined && wanted.has(value)
      }
  }
}

const INTEGER = /^[+-]?[0-9]+$/

/** 0 where the label is no integer: neither greater nor less. */
function compareIntegers(value: string | undefined, bound: string): number {
  if (value === undefined || !INTEGER.test(value)) return 0
  const [a, b] = [BigInt(value), BigInt(bound)]
  return a > b ? 1 : a < b ? -1 : 0
}

function formatRequirement({ key, operator, values }: LabelRequirement): string {
  if (operator === 'exists') return key
  if (operator === '!') return `!${key}`
  if (operator === 'in' || operator === 'notin') return `${key} ${operator} (${values.join(',')})`
  return `${key}${operator === 'gt' ? '>' : operator === 'lt' ? '<' : operator}${values[0] ?? ''}`
}

function newRequirement(key: string, operator: LabelOperator, values: readonly string[]): LabelRequirement {
  checkKey(key)
  const sorted = [...new Set(values)].sort()
  if ((operator === 'in' || operator === 'notin') && sorted.length === 0)
    throw new Error("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
  sorted.forEach((value, i) => checkValue(key, operator, value, i))
  return { key, operator, values: sorted }
}

function checkKey(key: string): void {
  const problems = qualifiedName(key)
  // The path of a key is nil in Go, and printed so.
  if (problems.length > 0) throw new Error(fieldErrorMessage(fieldError.invalid('<nil>', key, problems.join('; '))))
}

function checkValue(key: string, operator: LabelOperator, value: string, index: number): void {
  if ((operator === 'gt' || operator === 'lt') && !INTEGER.test(value)) {
    const text = "for 'Gt', 'Lt' operators, the value must be an integer"
    throw new Error(fieldErrorMessage(fieldError.invalid(`values[${index}]`, value, text)))
  }
  const problems = labelValue(value)
  if (problems.length > 0)
    throw new Error(fieldErrorMessage(fieldError.invalid(`values[${index}][${key}]`, value, problems.join('; '))))
}

/** Each is asked of each object of a list. */
const MAX_REQUIREMENTS = 500

const BINARY_OPERATORS: ReadonlyMap<Token['kind'], LabelOperator> = new Map<Token['kind'], LabelOperator>([
  ['in', 'in'],
  ['notin', 'notin'],
  ['=', '='],
  ['==', '=='],
  ['!=', '!='],
  ['>', 'gt'],
  ['<', 'lt'],
])

class Parser {
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  parse(): LabelRequirement[] {
    const requirements: LabelRequirement[] = []
    for (;;) {
      const token = this.#peek()
      if (token.kind === 'end') return requirements
      if (token.kind !== 'identifier' && token.kind !== '!')
        throw new Error(`found '${token.text}', expected: !, identifier, or 'end of string'`)
      if (requirements.length === MAX_REQUIREMENTS)
        throw new Error(`a selector may have at most ${MAX_REQUIREMENTS} requirements`)
      requirements.push(this.#wrappedRequirement())
      const next = this.#take()
      if (next.kind === 'end') return requirements
      if (next.kind !== ',') throw new Error(`found '${next.text}', expected: ',' or 'end of string'`)
      const following = this.#peek()
      if (following.kind !== 'identifier' && following.kind !== '!')
        throw new Error(`found '${following.text}', expected: identifier after ','`)
    }
  }

  #wrappedRequirement(): LabelRequirement {
    try {
      return this.#requirement()
    } catch (error) {
      throw new Error(`unable to parse requirement: ${(error as Error).message}`, { cause: error })
    }
  }

  #requirement(): LabelRequirement {
    let token = this.#take()
    const negated = token.kind === '!'
    if (negated) token = this.#take()
    if (token.kind !== 'identifier') throw new Error(`found '${token.text}', expected: identifier`)
    const key = token.text
    checkKey(key)
    if (negated) return newRequirement(key, '!', [])
    const next = this.#peek().kind
    if (next === 'end' || next === ',') return newRequirement(key, 'exists', [])
    const operator = this.#operator()
    const values = operator === 'in' || operator === 'notin' ? this.#values() : [this.#exactValue()]
    return newRequirement(key, operator, values)
  }

  #operator(): LabelOperator {
    // Only here `in` and `notin` are operators; elsewhere they are names.
    const token = this.#tokens[this.#at++]!
    const operator = BINARY_OPERATORS.get(token.kind)
    if (operator === undefined) throw new Error(`found '${token.text}', expected: in, notin, =, ==, !=, gt, lt`)
    return operator
  }

  #exactValue(): string {
    const next = this.#peek()
    if (next.kind === 'end' || next.kind === ',') return ''
    const token = this.#take()
    if (token.kind !== 'identifier') throw new Error(`found '${token.text}', expected: identifier`)
    return token.text
  }

  #values(): string[] {
    const open = this.#take()
    if (open.kind !== '(') throw new Error(`found '${open.text}' expected: '('`)
    const first = this.#peek()
    if (first.kind === ')') {
      this.#take()
      return ['']
    }
    if (first.kind !== 'identifier' && first.kind !== ',')
      throw new Error(`found '${first.text}', expected: ',', ')' or identifier`)
    const values = this.#identifiers()
    this.#take()
    return values
  }

  /** Up to the closing parenthesis. An empty place between commas is the empty text. */
  #identifiers(): string[] {
    const values: string[] = []
    for (;;) {
      const token = this.#take()
      if (token.kind === 'identifier') {
        values.push(token.text)
        const next = this.#peek()
        if (next.kind === ')') return values
        if (next.kind !== ',') throw new Error(`found '${next.text}', expected: ',' or ')'`)
      } else if (token.kind === ',') {
        if (values.length === 0) values.push('')
        const next = this.#peek().kind
        if (next === ')') return [...values, '']
        if (next === ',') {
          this.#take()
          values.push('')
        }
      } else throw new Error(`found '${token.text}', expected: ',', or identifier`)
    }
  }

  #peek(): Token {
    const token = this.#tokens[this.#at]!
    return token.kind === 'in' || token.kind === 'notin' ? { kind: 'identifier', text: token.text } : token
  }
  #take(): Token {
    const token = this.#peek()
    if (token.kind !== 'end') this.#at++
    return token
  }
}

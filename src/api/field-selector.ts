/**
 * Field selectors: `metadata.name=x,status.phase!=Active`. Which fields there are is the resource's matter.
 * Grammar and error texts are those of apimachinery's fields package.
 */
import { cut } from './field-error.ts'

export interface FieldRequirement {
  readonly field: string
  readonly operator: '=' | '!='
  readonly value: string
}

/** All requirements hold. */
export class FieldSelector {
  readonly requirements: readonly FieldRequirement[]

  constructor(requirements: readonly FieldRequirement[]) {
    this.requirements = requirements
  }
  get empty(): boolean {
    return this.requirements.length === 0
  }
  /** @param fields the object's selectable fields; one that it lacks is the empty text. */
  matches(fields: Readonly<Record<string, string | undefined>>): boolean {
    return this.requirements.every(
      ({ field, operator, value }) => ((fields[field] ?? '') === value) === (operator === '='),
    )
  }
  /** The value that a field must have: how a list by name becomes the read of one key. */
  exactValue(field: string): string | undefined {
    return this.requirements.find((r) => r.field === field && r.operator === '=')?.value
  }
  /** The same of other fields. */
  renamed(name: (field: string) => string): FieldSelector {
    return new FieldSelector(this.requirements.map((r) => ({ ...r, field: name(r.field) })))
  }
  toString(): string {
    return this.requirements.map((r) => `${r.field}${r.operator}${escapeValue(r.value)}`).join(',')
  }
}

/** Each is asked of each object of a list. */
const MAX_REQUIREMENTS = 500

/** @throws Error in apimachinery's words; the answer is a 400 with that text. */
export function parseFieldSelector(text: string): FieldSelector {
  const terms = splitTerms(text)
  if (terms.length > MAX_REQUIREMENTS) throw new Error(`a selector may have at most ${MAX_REQUIREMENTS} requirements`)
  const requirements = terms.map((term) => parseTerm(term, text))
  return new FieldSelector(requirements)
}

const OPERATORS = ['!=', '==', '='] as const

function parseTerm(term: string, whole: string): FieldRequirement {
  for (let i = 0; i < term.length; i++) {
    const operator = OPERATORS.find((o) => term.startsWith(o, i))
    if (operator === undefined) continue
    const value = unescapeValue(term.slice(i + operator.length))
    return { field: term.slice(0, i), operator: operator === '!=' ? '!=' : '=', value }
  }
  throw new Error(`invalid selector: '${cut(whole)}'; can't understand '${cut(term)}'`)
}

/** At commas that no backslash stands before; empty ones are left out. */
function splitTerms(text: string): string[] {
  const terms: string[] = []
  let start = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === ',') {
      if (i > start) terms.push(text.slice(start, i))
      start = i + 1
    }
  }
  return start < text.length ? [...terms, text.slice(start)] : terms
}

function unescapeValue(text: string): string {
  if (!/[\\,=]/.test(text)) return text
  let value = ''
  for (let i = 0; i < text.length; i++) {
    const c = text[i]!
    if (c === ',' || c === '=') throw new Error(`invalid field selector: unescaped character in value: ${c}`)
    if (c !== '\\') value += c
    else {
      const escaped = text[++i] ?? ''
      if (escaped === '' || !'\\,='.includes(escaped))
        throw new Error(`invalid field selector: invalid escape sequence: \\${escaped}`)
      value += escaped
    }
  }
  return value
}

function escapeValue(value: string): string {
  return value.replace(/[\\,=]/g, (c) => `\\${c}`)
}

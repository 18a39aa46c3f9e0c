/** The words of a label selector's text. Source: the lexer of apimachinery's labels package. */
export interface Token {
  readonly kind: 'identifier' | 'end' | 'in' | 'notin' | '=' | '==' | '!=' | '!' | '(' | ')' | ',' | '>' | '<'
  readonly text: string
}

const SYMBOLS: readonly Token['kind'][] = ['==', '!=', '=', '!', '(', ')', ',', '>', '<']
const SPACE = /[ \t\r\n]*/y
const IDENTIFIER = /[^ \t\r\n=!(),><]+/y

/** A set of ten thousand values has twice as many. */
const MAX_TOKENS = 20_000

/** Ends in an `end` token. Every character is part of some token. @throws Error for too many of them. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  for (;;) {
    at = skip(SPACE, text, at)
    if (at >= text.length) return [...tokens, { kind: 'end', text: '' }]
    if (tokens.length === MAX_TOKENS) throw new Error(`a selector may have at most ${MAX_TOKENS} words`)
    const token = symbolAt(text, at) ?? identifierAt(text, at)
    tokens.push(token)
    at += token.text.length
  }
}

function symbolAt(text: string, at: number): Token | undefined {
  const symbol = SYMBOLS.find((s) => text.startsWith(s, at))
  return symbol && { kind: symbol, text: symbol }
}

function identifierAt(text: string, at: number): Token {
  const word = text.slice(at, skip(IDENTIFIER, text, at))
  return { kind: word === 'in' || word === 'notin' ? word : 'identifier', text: word }
}

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  pattern.test(text)
  return pattern.lastIndex
}

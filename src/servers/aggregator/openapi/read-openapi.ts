/** Reads the OpenAPI documents of backends: foreign documents, of which every client is told parts. Pure. */
import type { Json } from '../../../endpoints/openapi/schemas.ts'

/** Real documents stay below 50. What is nested much deeper cannot be written again without overflowing the stack. */
const MAX_DEPTH = 200
const V3_PREFIX = '/openapi/v3/'

/** @throws SyntaxError; TypeError for what is no object or nested too deeply. */
export function readOpenApi(body: string): Json {
  checkDepth(body)
  const document: unknown = JSON.parse(body)
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new TypeError('an OpenAPI document is an object')
  return document as Json
}

/** Where the index of `/openapi/v3` says the document of a group version is. @throws SyntaxError, TypeError. */
export function documentUrl(index: string, key: string): string | undefined {
  const paths = readOpenApi(index)['paths'] as Record<string, { serverRelativeURL?: unknown } | null> | null | undefined
  const url = paths?.[key]?.serverRelativeURL
  return typeof url === 'string' && url.startsWith(V3_PREFIX) ? url : undefined
}

/** All of them. @throws SyntaxError, TypeError. */
export function documentUrls(index: string): Map<string, string> {
  const paths = (readOpenApi(index)['paths'] ?? {}) as Record<string, { serverRelativeURL?: unknown } | null>
  const urls = new Map<string, string>()
  for (const [key, entry] of Object.entries(paths)) {
    const url = entry?.serverRelativeURL
    if (typeof url === 'string' && url.startsWith(V3_PREFIX)) urls.set(key, url)
  }
  return urls
}

/** Without the paths that start with none of the prefixes. */
export function withPathsOf(document: Json, prefixes: readonly string[]): Json {
  const paths = Object.entries((document['paths'] ?? {}) as Json)
  return { ...document, paths: Object.fromEntries(paths.filter(([p]) => prefixes.some((x) => p.startsWith(x)))) }
}

/** Over the text, since a walk over the parsed document is what would overflow. O(n). */
function checkDepth(text: string): void {
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c === QUOTE) i = endOfString(text, i)
    else if (c === BRACE || c === BRACKET) {
      if (++depth > MAX_DEPTH) throw new TypeError(`the document is nested deeper than ${MAX_DEPTH}`)
    } else if (c === CLOSING_BRACE || c === CLOSING_BRACKET) depth--
  }
}
function endOfString(text: string, start: number): number {
  let i = start + 1
  while (i < text.length && text.charCodeAt(i) !== QUOTE) i += text.charCodeAt(i) === BACKSLASH ? 2 : 1
  return i
}
const [QUOTE, BACKSLASH] = [0x22, 0x5c]
const [BRACE, CLOSING_BRACE, BRACKET, CLOSING_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d]

/** Continue tokens of paged lists: where to go on, and at which revision. Their form is kube-apiserver's. */
import { parseJson } from '../api/codec/json-reader.ts'
import { type StatusError, badRequest, expired } from '../api/status-error.ts'
import type { Revision } from '../storage/storage.ts'

const VERSION = 'meta.k8s.io/v1'
const NUL = '\u0000'
const LATEST = -1
const TOO_OLD =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter'
const INCONSISTENT =
  ', or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.'

/** @param lastKey of the last item, relative to the list's prefix. */
export function encodeContinue(revision: Revision, lastKey: string): string {
  return Buffer.from(JSON.stringify({ v: VERSION, rv: revision, start: `${lastKey}${NUL}` })).toString('base64url')
}

/** @returns the revision to list at (0 or less: the latest) and the key to go on after. @throws StatusError 400. */
export function decodeContinue(token: string, prefix: string): { revision: Revision; after: string } {
  const bad = (why: string): StatusError => badRequest(`invalid continue token: continue key is not valid: ${why}`)
  let parsed: { v?: unknown; rv?: unknown; start?: unknown }
  try {
    const wrong = token.replace(/={1,2}$/, '').search(/[^A-Za-z0-9_-]/)
    if (wrong >= 0 || token.length % 4 === 1)
      throw new SyntaxError(`illegal base64 data at input byte ${wrong >= 0 ? wrong : token.length - 1}`)
    parsed = parseJson(textOf(Buffer.from(token, 'base64url'))).value as typeof parsed
  } catch (e) {
    throw bad((e as Error).message)
  }
  if (parsed.v !== VERSION) throw bad(`server does not recognize this encoded version ${String(parsed.v)}`)
  const { rv, start } = parsed
  if (typeof rv !== 'number' || !Number.isSafeInteger(rv) || rv === 0)
    throw bad(`incorrect encoded start resourceVersion (version ${VERSION})`)
  if (typeof start !== 'string' || start === '') throw bad(`encoded start key empty (version ${VERSION})`)
  const key = start.startsWith('/') ? start.slice(1) : start
  if (key.split('/').some((segment) => segment === '..' || segment === '.')) throw bad(start)
  return { revision: rv, after: prefix + (key.endsWith(NUL) ? key.slice(0, -1) : key) }
}

/** Bytes that are no UTF-8 are told one by one. */
function textOf(bytes: Buffer): string {
  const text = bytes.toString('utf8')
  return text.includes('\ufffd') ? bytes.toString('latin1') : text
}

/** 410 with a token that goes on at the latest state, where the client can live with an inconsistent list. */
export function continueExpired(after: string, prefix: string): StatusError {
  return expired(TOO_OLD + INCONSISTENT, { continue: encodeContinue(LATEST, after.slice(prefix.length)) })
}

/** Headers of a request that is only asked about, as people write them: `Name: value`. */
import { isToken, sendableValue, valueOfText, withoutBlanks } from '../../http/header-list.ts'
import type { HeaderList } from '../../http/exchange.ts'

const MAX_HEADERS = 64
/** What they say is asked by other means, and credentials do not belong into the URL of a question. */
const IDENTITY = /^(?:authorization|impersonate-.*)$/i

/** @throws Error for what is no header, for one that says who asks, and for more than 64. */
export function askedHeaders(lines: readonly string[]): HeaderList {
  if (lines.length > MAX_HEADERS) throw new Error(`more than ${MAX_HEADERS} headers`)
  return lines.flatMap((line) => {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0))
    if (!isToken(name)) throw new Error(`${JSON.stringify(line)} is not of the form "Name: value"`)
    if (IDENTITY.test(name)) throw new Error(`${name} says who asks, which is asked for by user and groups`)
    return [name, sendableValue(name, valueOfText(withoutBlanks(line, colon + 1)))]
  })
}

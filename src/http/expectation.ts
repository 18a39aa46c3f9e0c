/** What a client expects before it sends a body. Source: RFC 9110 section 10.1.1. */
import type { HeaderList } from './exchange.ts'
import { headerValue, tokensOf } from './header-list.ts'

const CONTINUE = '100-continue'

/** @returns false where the request needs a 417. */
export function expectationIsKnown(headers: HeaderList): boolean {
  return (
    headerValue(headers, 'expect') === undefined || tokensOf(headers, 'expect').every((token) => token === CONTINUE)
  )
}
export function expectsContinue(headers: HeaderList): boolean {
  return headerValue(headers, 'expect') !== undefined && tokensOf(headers, 'expect').includes(CONTINUE)
}

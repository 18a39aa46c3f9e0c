/** Ids of traces and spans, both from the text of a header traceparent. */
import { RandomTexts } from '../lib/random-texts.ts'

/** Of traces that are not recorded. */
export const newTraceparents = (): RandomTexts => new RandomTexts(`00-${'x'.repeat(32)}-${'x'.repeat(16)}-00`)
export const traceIdOf = (traceparent: string): string => traceparent.slice(3, 35)
export const spanIdOf = (traceparent: string): string => traceparent.slice(36, 52)

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../../test/harness/property.ts'
import { formatMicroTime, formatTime } from './go-time.ts'

const viaDate = (seconds: number): string => new Date(seconds * 1000).toISOString().slice(0, 19)

test('times are written as Date writes them, in all years of four digits', () => {
  const edges = [
    '0000-01-01T00:00:00Z',
    '0000-02-29T23:59:59Z',
    '0001-01-01T00:00:00Z',
    '1899-12-31T23:59:59Z',
    '1900-02-28T23:59:59Z',
    '1900-03-01T00:00:00Z',
    '1969-12-31T23:59:59Z',
    '1970-01-01T00:00:00Z',
    '2000-02-29T12:00:00Z',
    '2000-12-31T23:59:59Z',
    '2024-02-29T00:00:00Z',
    '2100-03-01T00:00:00Z',
    '9999-12-31T23:59:59Z',
  ]
  for (const text of edges) assert.equal(formatTime({ seconds: Date.parse(text) / 1000, nanos: 0 }), text)
  fc.assert(
    fc.property(fc.integer({ min: -62_167_219_200, max: 253_402_300_799 }), (seconds) => {
      assert.equal(formatTime({ seconds, nanos: 0 }), `${viaDate(seconds)}Z`)
      assert.equal(formatMicroTime({ seconds, nanos: 1_999 }), `${viaDate(seconds)}.000001Z`)
    }),
    { numRuns: 2000 },
  )
})

test('years beyond four digits keep the form of Date', () => {
  for (const seconds of [-62_167_219_201, 253_402_300_800])
    assert.equal(formatTime({ seconds, nanos: 0 }), `${viaDate(seconds)}Z`)
})

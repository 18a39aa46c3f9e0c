import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RandomTexts } from './random-texts.ts'

/** More than the random bytes at hand make. */
const MANY = 4_000
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const patterns: readonly (readonly [string, RegExp])[] = [
  ['xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx', UUID],
  [`00-${'x'.repeat(32)}-${'x'.repeat(16)}-00`, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/],
]
for (const [pattern, form] of patterns)
  test(`random texts of ${pattern}: each of this form, none twice, each digit as likely as another at each place`, () => {
    const texts = new RandomTexts(pattern)
    const made = Array.from({ length: MANY }, () => texts.next())
    for (const text of made) assert.match(text, form)
    assert.equal(new Set(made).size, MANY)
    for (const [place, letter] of pattern.split('').entries()) {
      const counts = new Map<string, number>()
      for (const text of made) counts.set(text[place]!, (counts.get(text[place]!) ?? 0) + 1)
      const values = { x: 16, y: 4 }[letter] ?? 1
      assert.equal(counts.size, values, `values at ${place}`)
      // Twelve standard deviations: never by chance.
      const most = MANY / values + 12 * Math.sqrt(MANY / values)
      assert.ok(Math.max(...counts.values()) <= most, `at ${place} one of ${values} came too often`)
    }
  })

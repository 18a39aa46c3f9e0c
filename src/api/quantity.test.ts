import assert from 'node:assert/strict'
import { test } from 'node:test'
import { QuantityError, canonicalQuantity, parseQuantity } from './quantity.ts'

/** What kube-apiserver 1.35.4 makes of each text. */
const CANONICAL: readonly (readonly [given: string, shown: string])[] = [
  ['0.5', '500m'],
  ['.5', '500m'],
  ['5.', '5.'],
  ['+5', '+5'],
  [' 5 ', '5'],
  ['01', '01'],
  ['1000', '1k'],
  ['+2000', '2k'],
  ['100', '100'],
  ['0100', '0100'],
  ['1.0', '1'],
  ['1.50', '1500m'],
  ['1000m', '1'],
  ['1500m', '1500m'],
  ['1000000m', '1k'],
  ['1000k', '1M'],
  ['1.5k', '1500'],
  ['1.5E', '1500P'],
  ['100000000000000000000', '100E'],
  ['12345678901234567890m', '12345678901234567890m'],
  ['1u', '1u'],
  ['1500n', '1500n'],
  ['1.0000000001', '1000000001n'],
  ['0.00000000001', '1n'],
  ['-0.00000000001', '-1n'],
  ['1024Ki', '1Mi'],
  ['1000Ki', '1000Ki'],
  ['1.5Gi', '1536Mi'],
  ['0.1Ki', '102400m'],
  ['0.5Ki', '512'],
  ['1.1Mi', '1153433600m'],
  ['1048576', '1048576'],
  ['9Ei', '9223372036854775807'],
  ['900000000000000Ki', '878906250000Mi'],
  ['1e3', '1e3'],
  ['1e03', '1e03'],
  ['1e+3', '1e+3'],
  ['12E3', '12E3'],
  ['1.5e3', '1500'],
  ['2.5e-1', '250e-3'],
  ['1500e0', '1500e0'],
  ['100e1', '1e3'],
  ['1e1', '10'],
  ['10e20', '1e21'],
  ['1e100', '10e99'],
  ['1e-100', '1e-9'],
  ['0', '0'],
  ['-0', '0'],
  ['0Ki', '0'],
  ['0.0', '0'],
  ['.', '0'],
]
for (const [given, shown] of CANONICAL) {
  test(`the quantity ${JSON.stringify(given)} is shown as ${shown}`, () => {
    assert.equal(canonicalQuantity(given), shown)
    assert.equal(canonicalQuantity(shown), shown)
    assert.deepEqual(parseQuantity(shown).nanos, parseQuantity(given.trim()).nanos)
  })
}

const PATTERN = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
const SUFFIX = "unable to parse quantity's suffix"
for (const [given, message] of [
  ['', PATTERN],
  ['abc', PATTERN],
  ['1.2.3', PATTERN],
  ['1Q', PATTERN],
  ['1_0', PATTERN],
  ['1e3.5', PATTERN],
  ['0x10', PATTERN],
  ['1ki', SUFFIX],
  ['1e', SUFFIX],
  ['1i', SUFFIX],
  ['1m5', SUFFIX],
  ['1.5Ki5', SUFFIX],
  ['1e99999999999', SUFFIX],
] as const) {
  test(`${JSON.stringify(given)} is no quantity`, () => {
    assert.throws(
      () => canonicalQuantity(given),
      (error) => error instanceof QuantityError && error.message === message,
    )
  })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pemCertificates } from './pem.ts'

const BEGIN = '-----BEGIN CERTIFICATE-----'
const END = '-----END CERTIFICATE-----'
const cases: readonly (readonly [name: string, text: string, want: readonly string[]])[] = [
  ['none', 'a', []],
  [
    'two, with text around them',
    `# a\n${BEGIN}\nx\n${END}\n# b\n${BEGIN}y${END}`,
    [`${BEGIN}\nx\n${END}`, `${BEGIN}y${END}`],
  ],
  ['one that does not end', `${BEGIN}x${END}${BEGIN}y`, [`${BEGIN}x${END}`]],
  ['an end without a beginning', `${END}${BEGIN}x${END}`, [`${BEGIN}x${END}`]],
  ['beginnings only', BEGIN.repeat(200_000), []],
]
for (const [name, text, want] of cases)
  test(`pemCertificates: ${name}`, () => {
    assert.deepEqual(pemCertificates(text), want)
  })

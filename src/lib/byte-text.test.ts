import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byteText, bytesOf, utf8ByteText } from './byte-text.ts'

const EVERY_BYTE = Uint8Array.from({ length: 256 }, (_, i) => i)

test('every byte comes back', () => {
  const within = new Uint8Array(300)
  within.set(EVERY_BYTE, 20)
  const text = byteText(within.subarray(20, 276))
  assert.equal(text.length, 256)
  assert.deepEqual([...bytesOf(text)], [...EVERY_BYTE])
})
for (const text of ['', 'plain', 'zoë', '木', '😀', '\u0080', '\ud800'])
  test(`the bytes of ${JSON.stringify(text)} in UTF-8`, () => {
    assert.deepEqual(bytesOf(utf8ByteText(text)), Buffer.from(text))
  })

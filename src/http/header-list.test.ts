import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sendableValue } from './header-list.ts'

/** Source: RFC 9110 section 5.5. */
const isSendable = (code: number): boolean => code === 0x09 || (code >= 0x20 && code !== 0x7f)

// Short and long values are looked at in different ways.
for (const length of [1, 15, 16, 200])
  for (const at of new Set([0, length >> 1, length - 1]))
    test(`header values of ${length} characters: each character in place ${at}`, () => {
      for (let code = 0; code < 0x120; code++) {
        const value = `${'a'.repeat(at)}${String.fromCharCode(code)}${'b'.repeat(length - at - 1)}`
        if (!isSendable(code)) assert.throws(() => sendableValue('x', value), TypeError, `character ${code}`)
        else if (code <= 0xff) assert.equal(sendableValue('x', value), value, `character ${code}`)
        else assert.equal(Buffer.from(sendableValue('x', value), 'latin1').toString(), value, `character ${code}`)
      }
    })

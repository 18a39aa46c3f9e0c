import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldError } from './field-error.ts'
import { StatusError, invalid } from './status-error.ts'

test('only a fault is told where it was made', () => {
  assert.equal(new StatusError(429, 'TooManyRequests', 'too many').stack, 'StatusError: too many')
  assert.match(new StatusError(500, 'InternalError', 'broken').stack!, /status-error\.test/)
  assert.match(new Error('another').stack!, /status-error\.test/)
})

test('invalid: what an answer tells of many errors, and of long values, is bounded', () => {
  const errors = Array.from({ length: 5_000 }, (_, i) => fieldError.invalid(`f${i}`, 'x'.repeat(100), 'is wrong'))
  const { message, details } = invalid({ group: '', kind: 'A' }, 'a', errors)
  const shown = details?.causes?.length ?? 0
  assert.ok(shown > 500 && shown < 2_000, `${shown}`)
  assert.ok(message.endsWith(`, and ${5_000 - shown} more]`))
  const long = invalid({ group: '', kind: 'A' }, 'n'.repeat(1_000_000), [
    fieldError.invalid('f', 'x'.repeat(1_000_000), ''),
  ])
  assert.ok(long.message.length < 40_000)
  assert.equal(long.details?.causes?.length, 1)
})

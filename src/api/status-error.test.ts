import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StatusError } from './status-error.ts'

test('only a fault is told where it was made', () => {
  assert.equal(new StatusError(429, 'TooManyRequests', 'too many').stack, 'StatusError: too many')
  assert.match(new StatusError(500, 'InternalError', 'broken').stack!, /status-error\.test/)
  assert.match(new Error('another').stack!, /status-error\.test/)
})

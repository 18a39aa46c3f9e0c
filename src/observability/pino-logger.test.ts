import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLogger } from './pino-logger.ts'

test('a log line is JSON with level, time and fields; a level that is off has no method', () => {
  const lines: string[] = []
  const log = createLogger({ v: 2, stream: { write: (line) => void lines.push(line) } })
  log.child({ request: 'r1' }).info('served', { code: 200 })
  log.verbose?.('detail')
  assert.equal(log.debug, undefined)
  const first = JSON.parse(lines[0]!) as Record<string, unknown>
  assert.deepEqual(
    { level: first.level, msg: first.msg, request: first.request, code: first.code },
    { level: 'info', msg: 'served', request: 'r1', code: 200 },
  )
  assert.ok(!Number.isNaN(Date.parse(String(first.time))))
  assert.equal((JSON.parse(lines[1]!) as { level: string }).level, 'debug')
})

test('an error is logged with its stack and its cause', () => {
  const lines: string[] = []
  createLogger({ v: 0, stream: { write: (line) => void lines.push(line) } }).error('failed', {
    error: new Error('outer', { cause: new Error('inner') }),
  })
  const { error } = JSON.parse(lines[0]!) as { error: { message: string; stack: string; cause: { message: string } } }
  assert.deepEqual([error.message, error.cause.message], ['outer', 'inner'])
  assert.match(error.stack, /pino-logger\.test/)
})

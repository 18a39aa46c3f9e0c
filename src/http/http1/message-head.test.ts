import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RequestHeads } from './message-head.ts'
import { ProtocolError } from './protocol-error.ts'

const head = (line: string, ...fields: string[]): Buffer =>
  Buffer.from(`${[line, ...fields].map((l) => `${l}\r\n`).join('')}\r\n`, 'latin1')

test('request heads of one connection: each has the fields it came with', () => {
  const heads = new RequestHeads()
  const parse = (line: string, ...fields: string[]) => heads.parse(head(line, ...fields), 10)
  const jane = ['Host: a', 'Authorization: Bearer jane']
  const joe = ['Host: a', 'Authorization: Bearer joe_']
  const asked = [
    [parse('GET /1 HTTP/1.1', ...jane), '/1', jane],
    [parse('GET /2 HTTP/1.1', ...jane), '/2', jane],
    [parse('POST /2 HTTP/1.0', ...joe), '/2', joe],
    [parse('GET /3 HTTP/1.1', ...jane), '/3', jane],
    [parse('GET /4 HTTP/1.1'), '/4', []],
  ] as const
  for (const [{ target, headers }, wantTarget, wantFields] of asked) {
    assert.equal(target, wantTarget)
    assert.deepEqual(
      headers,
      wantFields.flatMap((f) => f.split(': ')),
    )
  }
  assert.equal(asked[2][0].minorVersion, 0)
})

test('request heads: what is refused stays refused, and is not what the next request said', () => {
  const heads = new RequestHeads()
  const bad = head('GET / HTTP/1.1', 'Host: a', 'X: \u0001')
  assert.throws(() => heads.parse(bad, 10), ProtocolError)
  assert.throws(() => heads.parse(bad, 10), ProtocolError)
  const many = head('GET / HTTP/1.1', 'A: 1', 'B: 2', 'C: 3')
  assert.equal(heads.parse(many, 3).headers.length, 6)
  assert.throws(() => new RequestHeads().parse(many, 2), { status: 431 })
  // A line that ends bare: two parsers could read it in two ways.
  assert.throws(() => heads.parse(Buffer.from('GET / HTTP/1.1\r\n\nA: 1\r\n\r\n'), 10), ProtocolError)
  assert.throws(() => heads.parse(Buffer.from('GET / HTTP/1.1\nA: 1\r\n\r\n'), 10), ProtocolError)
})

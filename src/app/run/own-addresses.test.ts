import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OwnAddresses } from './own-addresses.ts'

const own = (bind: string, o: { insecure?: string; advertise?: string } = {}): OwnAddresses => {
  const values = {
    'bind-address': bind,
    'secure-port': 0,
    'insecure-bind-address': o.insecure ?? '127.0.0.1',
    'insecure-port': 0,
  }
  const addresses = new OwnAddresses({ values, advertiseAddress: o.advertise ?? '192.0.2.1' }, () => [
    '192.0.2.1',
    '2001:db8::1',
  ])
  addresses.listening(6443, o.insecure === undefined ? undefined : 8080)
  return addresses
}
const rows: readonly [bind: string, host: string, port: number, isOwn: boolean][] = [
  // All of this machine.
  ['0.0.0.0', '127.0.0.1', 6443, true],
  ['0.0.0.0', '127.9.9.9', 6443, true],
  ['0.0.0.0', '192.0.2.1', 6443, true],
  ['0.0.0.0', '0.0.0.0', 6443, true],
  ['0.0.0.0', 'localhost', 6443, true],
  ['0.0.0.0', '192.0.2.2', 6443, false],
  ['0.0.0.0', '127.0.0.1', 6444, false],
  ['::', '::1', 6443, true],
  ['::', '2001:db8::1', 6443, true],
  ['::', '::ffff:127.0.0.1', 6443, true],
  ['', '2001:db8::2', 6443, false],
  // One address: another may be another process's, with the same port.
  ['127.0.0.1', '127.0.0.1', 6443, true],
  ['127.0.0.1', '127.0.0.3', 6443, false],
  ['127.0.0.1', '0.0.0.0', 6443, true],
  ['127.0.0.1', '::ffff:7f00:1', 6443, true],
  ['127.0.0.1', '::1', 6443, false],
  ['127.0.0.1', 'localhost', 6443, true],
  ['::1', '::', 6443, true],
  ['::1', '0:0:0:0:0:0:0:1', 6443, true],
  ['localhost', '127.0.0.1', 6443, true],
  ['192.0.2.9', 'localhost', 6443, false],
  ['192.0.2.9', '192.0.2.9', 6443, true],
  // What others are told to come to, whatever it is bound to.
  ['192.0.2.9', '192.0.2.1', 6443, true],
  ['192.0.2.9', '192.0.2.1', 8080, false],
  // A name may lead anywhere.
  ['0.0.0.0', 'portico.example.com', 6443, false],
  ['portico.internal', 'portico.internal', 6443, true],
]
for (const [bind, host, port, isOwn] of rows)
  test(`bound to ${bind || "''"}:6443, ${host}:${port} is ${isOwn ? '' : 'not '}this server itself`, () => {
    assert.equal(own(bind).has(host, port), isOwn)
  })

test('the plain listener counts too, where there is one', () => {
  assert.equal(own('0.0.0.0').has('127.0.0.1', 8080), false)
  assert.equal(own('0.0.0.0', { insecure: '127.0.0.1' }).has('127.0.0.1', 8080), true)
  assert.equal(own('0.0.0.0', { insecure: '127.0.0.1' }).has('192.0.2.1', 8080), false)
})
test('what does not listen yet is nobody', () => {
  const values = {
    'bind-address': '0.0.0.0',
    'secure-port': 0,
    'insecure-bind-address': '127.0.0.1',
    'insecure-port': 0,
  }
  const addresses = new OwnAddresses({ values, advertiseAddress: '192.0.2.1' })
  assert.deepEqual([addresses.dialled, addresses.port, addresses.has('127.0.0.1', 0)], [undefined, 0, false])
})
test('its own requests go where it listens', () => {
  assert.deepEqual(own('0.0.0.0').dialled, { host: '127.0.0.1', port: 6443 })
  assert.deepEqual(own('192.0.2.9').dialled, { host: '192.0.2.9', port: 6443 })
})

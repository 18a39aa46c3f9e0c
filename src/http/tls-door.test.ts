import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { TlsDoor } from './tls-door.ts'

/** Whose first byte never comes. */
function silent(remoteAddress: string, remotePort: number): Socket {
  return Object.assign(new PassThrough(), { remoteAddress, remotePort, localAddress: '::1' }) as unknown as Socket
}

const rows: readonly { name: string; first: string; second: string; shared: boolean }[] = [
  { name: 'one IPv4 address', first: '192.0.2.1', second: '192.0.2.1', shared: true },
  { name: 'two IPv4 addresses', first: '192.0.2.1', second: '192.0.2.2', shared: false },
  { name: 'IPv4 addresses written as IPv6', first: '::ffff:192.0.2.1', second: '::ffff:192.0.2.2', shared: false },
  { name: 'one /64', first: '2001:db8:0:1::1', second: '2001:db8:0:1:ffff::2', shared: true },
  { name: 'one /64, zeros left out', first: '2001:db8::1', second: '2001:db8:0:0:5:6:7:8', shared: true },
  { name: 'two /64', first: '2001:db8:0:1::1', second: '2001:db8:0:2::1', shared: false },
]
for (const { name, first, second, shared } of rows) {
  test(`the limit of an address: ${name} ${shared ? 'share it' : 'have one each'}`, () => {
    const door = new TlsDoor({
      timeoutMs: 1,
      maxPerAddress: 1,
      now: () => 0,
      handshake: () => assert.fail(),
      onFailed: () => assert.fail(),
    })
    assert.equal(door.admit(silent(first, 1)), true)
    assert.equal(door.admit(silent(second, 2)), !shared)
    assert.equal(door.size, shared ? 1 : 2)
  })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fc } from '../../test/harness/property.ts'
import type { UserInfo } from '../api/meta.ts'
import { addIdentity, claimsIdentity, encodeExtraKey, type IdentityMode } from './identity-headers.ts'

const configured = { names: new Set(['x-custom-user']), prefixes: ['x-custom-extra-'] }
const claims: readonly [name: string, requestheader: boolean, impersonate: boolean, passthrough: boolean][] = [
  ['x-remote-user', true, true, true],
  ['x-remote-uid', true, true, true],
  ['x-remote-group', true, true, true],
  ['x-remote-extra-scopes', true, true, true],
  ['x_remote_user', true, true, true],
  ['x-remote_group', true, true, true],
  ['x_remote_extra_a', true, true, true],
  ['x-custom-user', true, true, true],
  ['x_custom_user', true, true, true],
  ['x-custom-extra-a', true, true, true],
  ['impersonate-user', true, true, false],
  ['impersonate_group', true, true, false],
  ['impersonate-extra-a', true, true, false],
  ['authorization', true, true, false],
  ['x-remote-address', false, false, false],
  ['accept', false, false, false],
]
for (const [name, ...want] of claims) {
  test(`claimsIdentity: ${name}`, () => {
    const modes: IdentityMode[] = ['requestheader', 'impersonate', 'passthrough']
    assert.deepEqual(
      modes.map((mode) => claimsIdentity(name, mode, configured)),
      want,
    )
  })
}

const added = (user: UserInfo, mode: IdentityMode = 'requestheader'): string[] => {
  const headers: string[] = []
  addIdentity(headers, user, mode)
  return headers
}
test('addIdentity: one header per group and extra value, the uid where there is one', () => {
  const user = { name: 'jane', groups: ['a', 'b'], extra: new Map([['k/x', ['1', '2']]]) }
  assert.deepEqual(added(user), [
    'X-Remote-User',
    'jane',
    'X-Remote-Group',
    'a',
    'X-Remote-Group',
    'b',
    'X-Remote-Extra-k%2Fx',
    '1',
    'X-Remote-Extra-k%2Fx',
    '2',
  ])
  assert.deepEqual(added({ name: 'j', uid: 'u', groups: [] }, 'impersonate'), [
    'Impersonate-User',
    'j',
    'Impersonate-Uid',
    'u',
  ])
  assert.deepEqual(added(user, 'passthrough'), [])
})
test('addIdentity: what is kept of a user is of one mode', () => {
  const user = { name: 'jane', groups: ['a'] }
  for (const _ of [1, 2]) {
    assert.deepEqual(added(user), ['X-Remote-User', 'jane', 'X-Remote-Group', 'a'])
    assert.deepEqual(added(user, 'impersonate'), ['Impersonate-User', 'jane', 'Impersonate-Group', 'a'])
  }
})
test('addIdentity: names beyond ASCII go as UTF-8 bytes', () => {
  assert.equal(Buffer.from(added({ name: 'zoë 木', groups: [] })[1]!, 'latin1').toString('utf8'), 'zoë 木')
})
for (const name of ['root\r\nX-Remote-Group: system:masters', 'root\n', ' root', 'root ', 'ro\0ot', '\troot']) {
  test(`addIdentity: ${JSON.stringify(name)} is refused, not changed`, () => {
    assert.throws(() => added({ name, groups: [] }), { code: 400 })
    assert.throws(() => added({ name: 'x', groups: [name] }), { code: 400 })
  })
}
test('encodeExtraKey: always a token, and what client-go decodes again', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }).filter((s) => s.isWellFormed()),
      (key) => {
        const encoded = encodeExtraKey(key)
        assert.match(encoded, /^[!#$%&'*+\-.^_`|~0-9A-Za-z]*$/)
        assert.equal(decodeURIComponent(encoded), key)
      },
    ),
    { numRuns: process.env['PORTICO_SOAK'] === '1' ? 1_000_000 : 5_000 },
  )
})

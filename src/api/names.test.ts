import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  configMapKey,
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  labelValue,
  maskTrailingDash,
  type NameValidator,
  pathSegment,
  portName,
  qualifiedName,
} from './names.ts'

const cases: readonly { rule: NameValidator; good: string[]; bad: Record<string, string[]> }[] = [
  {
    rule: dns1123Label,
    good: ['a', '0', 'a-b', 'x'.repeat(63)],
    bad: {
      'a.b': ['must not contain dots'],
      a_b: [
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
      ],
      ['x'.repeat(64)]: ['must be no more than 63 characters'],
    },
  },
  {
    rule: dns1123Subdomain,
    good: ['a.b', 'x'.repeat(253)],
    bad: {
      'a..b': [
        String.raw`a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')`,
      ],
      ['x'.repeat(254)]: ['must be no more than 253 characters'],
    },
  },
  {
    rule: dns1035Label,
    good: ['abc-123'],
    bad: {
      '1a': [
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
      ],
    },
  },
  {
    rule: qualifiedName,
    good: ['a', 'A_b.c', 'example.com/X'],
    bad: {
      '/x': ['prefix part must be non-empty'],
      '': [
        'name part must be non-empty',
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
      ],
      ['x'.repeat(64)]: ['name part must be no more than 63 bytes'],
    },
  },
  { rule: labelValue, good: ['', 'a', 'A.b_c-1'], bad: { ['x'.repeat(64)]: ['must be no more than 63 bytes'] } },
  {
    rule: pathSegment,
    good: ['a:b', 'UP'],
    bad: { '.': ["may not be '.'"], 'a/%': ["may not contain '/'", "may not contain '%'"] },
  },
  {
    rule: configMapKey,
    good: ['.a', 'KEY_NAME'],
    bad: { '..': ["must not be '..'"], '..a': ["must not start with '..'"] },
  },
  {
    rule: portName,
    good: ['http', 'a-1'],
    bad: {
      '1--': [
        'must contain at least one letter (a-z)',
        'must not contain consecutive hyphens',
        'must not begin or end with a hyphen',
      ],
    },
  },
]
for (const { rule, good, bad } of cases) {
  test(`${rule.name} accepts what Kubernetes accepts`, () => {
    for (const name of good) assert.deepEqual(rule(name), [], name)
  })
  test(`${rule.name} refuses in Kubernetes' words`, () => {
    for (const [name, messages] of Object.entries(bad)) assert.deepEqual(rule(name), messages, name)
  })
}

test('maskTrailingDash: a prefix is checked as if one more letter followed', () => {
  assert.equal(maskTrailingDash('ab-'), 'aa')
  assert.equal(maskTrailingDash('-'), '-')
  assert.equal(maskTrailingDash('ab'), 'ab')
})

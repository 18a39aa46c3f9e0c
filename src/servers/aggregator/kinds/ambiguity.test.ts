import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { APIService } from '../../../api/apiservice.ts'
import type { BackendPolicy, BackendPolicySpec } from '../../../api/backend-policy.ts'
import type { GroupDiscovery } from '../../../endpoints/discovery-types.ts'
import { ambiguousNames, ambiguousPriorities, overlappingPolicies } from './ambiguity.ts'

/** @param what `v1.g.io 1000 15`, and `local` where it has no service. */
function apiService(what: string): APIService {
  const [name = '', groupPriority, versionPriority, local] = what.split(' ')
  const [version, ...group] = name.split('.')
  return {
    metadata: { name },
    spec: {
      group: group.join('.'),
      version: version!,
      groupPriorityMinimum: Number(groupPriority),
      versionPriority: Number(versionPriority),
      ...(local ? {} : { service: { namespace: 'a', name: 'b' } }),
    },
  }
}
const KUBERNETES = [
  'v1. 18000 1 local',
  'v1.discovery.k8s.io 16200 12 local',
  'v1alpha1.gateway.portico.dev 1000 1 local',
]

for (const { name, made, others, want } of [
  { name: 'alone', made: 'v1.g.io 1000 15', others: KUBERNETES, want: [] },
  { name: 'another group with the same', made: 'v1.g.io 1000 15', others: ['v1.h.io 1000 15'], want: [] },
  { name: 'another version, as it should be', made: 'v1.g.io 1000 15', others: ['v1beta1.g.io 1000 10'], want: [] },
  { name: 'itself, before an update', made: 'v1.g.io 1000 15', others: ['v1.g.io 500 15'], want: [] },
  {
    name: 'two group priorities in one group',
    made: 'v1.g.io 1000 15',
    others: ['v1beta1.g.io 500 10'],
    want: [/^spec\.groupPriorityMinimum: v1beta1\.g\.io of the same group has 500; what v1\.g\.io has holds/],
  },
  {
    name: 'two group priorities, and the other decides',
    made: 'v1alpha1.g.io 1000 5',
    others: ['v1.g.io 500 10'],
    want: [/what v1\.g\.io has holds for the group/],
  },
  {
    name: 'two versions of one priority',
    made: 'v1.g.io 1000 15',
    others: ['v1beta1.g.io 1000 15'],
    want: [/^spec\.versionPriority: v1beta1\.g\.io of the same group has 15, too/],
  },
  {
    name: 'a group before those of Kubernetes',
    made: 'v1.g.io 17000 15',
    others: KUBERNETES,
    want: [/^spec\.groupPriorityMinimum: 17000 puts the group before discovery\.k8s\.io: names/],
  },
  { name: 'a group beside one of Kubernetes', made: 'v1.g.io 16200 15', others: KUBERNETES, want: [] },
  { name: 'a group of this server before them', made: 'v1.g.io 17000 15 local', others: KUBERNETES, want: [] },
  { name: 'a group before a remote one', made: 'v1.g.io 17000 15', others: ['v1.h.io 16000 15'], want: [] },
  {
    name: 'a group before one that goes behind those of Kubernetes',
    made: 'v1.g.io 10002 15',
    others: ['v1.h.io 10000 15 local'],
    want: [],
  },
  {
    name: 'a group before the last of those of Kubernetes',
    made: 'v1.g.io 10002 15',
    others: ['v1.h.io 10001 15 local'],
    want: [/puts the group before h\.io: names/],
  },
  {
    name: 'a group before five, each told',
    made: 'v1.g.io 17000 15',
    others: [1, 2, 3, 4, 5].map((i) => `v1.h${i}.io 16000 15 local`),
    want: [/before h1\.io, h2\.io, h3\.io, h4\.io, h5\.io: names/],
  },
  {
    name: 'a group before seven, five of them told',
    made: 'v1.g.io 17000 15',
    others: [1, 2, 3, 4, 5, 6, 7].map((i) => `v1.h${i}.io 16000 15 local`),
    want: [/before h1\.io, h2\.io, h3\.io, h4\.io, h5\.io and 2 more: names/],
  },
  {
    name: 'two versions of one priority in a group of two, and the name decides',
    made: 'v1beta1.g.io 1000 15',
    others: ['v1.g.io 500 15'],
    want: [/what v1\.g\.io has holds/, /v1\.g\.io of the same group has 15, too/],
  },
]) {
  test(`ambiguous priorities: ${name}`, () => {
    const found = ambiguousPriorities(apiService(made), others.map(apiService))
    assert.equal(found.length, want.length, found.join('\n'))
    for (const [i, text] of want.entries()) assert.match(found[i]!, text)
  })
}

const group = (name: string, ...resources: string[]): GroupDiscovery => ({
  group: name,
  versions: [
    {
      version: 'v1',
      freshness: 'Current',
      groupPriority: 1,
      versionPriority: 1,
      resources: resources.map((text) => {
        const [resource, ...shortNames] = text.split(' ')
        return {
          resource: resource!,
          responseKind: { group: name, version: 'v1', kind: 'K' },
          scope: 'Cluster' as const,
          singularResource: 'k',
          verbs: [],
          shortNames,
        }
      }),
    },
  ],
})

for (const { name, groups, want } of [
  { name: 'nobody else has it', groups: [group('a.io', 'flowers fl'), group('g.io', 'trees t')], want: [] },
  { name: 'a group behind it has it', groups: [group('g.io', 'flowers'), group('a.io', 'flowers')], want: [] },
  {
    name: 'a group before it has it',
    groups: [group('a.io', 'flowers'), group('g.io', 'flowers')],
    want: ['"flowers" alone means flowers.a.io, which comes first; flowers.g.io means this one'],
  },
  {
    name: 'a short name of the core group',
    groups: [group('', 'services svc'), group('g.io', 'servants svc')],
    want: ['"svc" alone means services of the core group, which comes first; servants.g.io means this one'],
  },
  {
    name: 'five names, each told',
    groups: [group('a.io', 'n1 n2 n3 n4 n5'), group('g.io', 'n1 n2 n3 n4 n5')],
    want: ['n1', 'n2', 'n3', 'n4', 'n5'].map(
      (n) => `"${n}" alone means n1.a.io, which comes first; n1.g.io means this one`,
    ),
  },
  {
    name: 'seven names, five of them told',
    groups: [group('a.io', 'n1 n2 n3 n4 n5 n6 n7'), group('g.io', 'n1 n2 n3 n4 n5 n6 n7')],
    want: [
      ...['n1', 'n2', 'n3', 'n4', 'n5'].map(
        (n) => `"${n}" alone means n1.a.io, which comes first; n1.g.io means this one`,
      ),
      '2 more names like these',
    ],
  },
]) {
  test(`ambiguous names: ${name}`, () => assert.deepEqual(ambiguousNames('g.io', groups), want))
}

const policy = (name: string, spec: BackendPolicySpec): BackendPolicy => ({ metadata: { name }, spec })
const byName = [{ apiService: 'v1.g.io' }]
const byGroup = [{ group: 'g.io' }]

for (const { name, other, want } of [
  { name: 'other APIServices', other: { targets: [{ group: 'h.io' }], bulkhead: { maxInFlight: 1 } }, want: [] },
  { name: 'other sections', other: { targets: byGroup, probe: { interval: '1s' } }, want: [] },
  {
    name: 'the same section of a narrower policy',
    other: { targets: byName, bulkhead: { maxInFlight: 1 } },
    want: ['spec.targets: the policy "other" is for v1.g.io, too; there bulkhead of "other" holds'],
  },
  {
    name: 'the same sections, and the name decides',
    other: { targets: byGroup, bulkhead: { maxInFlight: 1 }, routes: [{ to: [{ backend: 'apiservice' }] }] },
    want: [
      'spec.targets: the policy "other" is for v1.g.io, v1beta1.g.io, too; there backends, bulkhead of "mine" holds',
    ],
  },
] satisfies { name: string; other: BackendPolicySpec; want: string[] }[]) {
  test(`overlapping policies: ${name}`, () => {
    const mine = policy('mine', {
      targets: byGroup,
      bulkhead: { maxInFlight: 5 },
      backends: [{ name: 'default', url: 'https://a' }],
    })
    const registered = ['v1.g.io 1 1', 'v1beta1.g.io 1 1', 'v1.h.io 1 1'].map(apiService)
    assert.deepEqual(overlappingPolicies(mine, [mine, policy('other', other)], registered), want)
  })
}

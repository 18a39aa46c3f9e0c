import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRuntimeConfig, RuntimeConfigError } from './runtime-config.ts'

const KNOWN = [
  { group: '', version: 'v1', isOnByDefault: true },
  { group: 'apps', version: 'v1', isOnByDefault: true },
  { group: 'batch', version: 'v1', isOnByDefault: true },
  { group: 'networking.k8s.io', version: 'v1beta1', isOnByDefault: false },
  { group: 'storage.k8s.io', version: 'v1alpha1', isOnByDefault: false },
]
const RESOURCES = [
  'v1/pods',
  'apps/v1/deployments',
  'apps/v1/replicasets',
  'batch/v1/jobs',
  'networking.k8s.io/v1beta1/ipaddresses',
  'storage.k8s.io/v1alpha1/things',
] as const
const ON_BY_DEFAULT = RESOURCES.slice(0, 4)

const rows: readonly (readonly [flag: string, on: readonly string[]])[] = [
  ['', ON_BY_DEFAULT],
  ['api/all=true', RESOURCES],
  ['api/all', RESOURCES],
  ['api/all=false,v1=true', ['v1/pods']],
  ['v1=true,api/all=false', ['v1/pods']],
  ['api/all=false,api/v1', ['v1/pods']],
  ['api/ga=false', []],
  ['api/all=false,api/alpha=false', []],
  ['api/beta=true', [...ON_BY_DEFAULT, 'networking.k8s.io/v1beta1/ipaddresses']],
  ['api/alpha', [...ON_BY_DEFAULT, 'storage.k8s.io/v1alpha1/things']],
  ['api/all=true,api/beta=false', RESOURCES.filter((r) => !r.includes('beta'))],
  ['apps/v1=false', ['v1/pods', 'batch/v1/jobs']],
  ['apps/v1/deployments=false', ['v1/pods', 'apps/v1/replicasets', 'batch/v1/jobs']],
  ['apps/v1=false,apps/v1/deployments', ['v1/pods', 'apps/v1/deployments', 'batch/v1/jobs']],
  ['v1/pods=0', ON_BY_DEFAULT.slice(1)],
  ['networking.k8s.io/v1beta1=T', [...ON_BY_DEFAULT, 'networking.k8s.io/v1beta1/ipaddresses']],
  [
    'batch/v1=false,batch/v2alpha1,extensions/v1beta1/deployments=false,extensions/v1beta1/ingress=false',
    ON_BY_DEFAULT.slice(0, 3),
  ],
]
for (const [flag, want] of rows) {
  test(`--runtime-config=${flag}`, () => {
    const config = readRuntimeConfig(flag === '' ? [] : flag.split(','), KNOWN)
    const on = RESOURCES.filter((id) => {
      const parts = id.split('/')
      const [group, version, resource] = parts.length === 2 ? ['', ...parts] : parts
      return config.isOn(group!, version!, resource!)
    })
    assert.deepEqual(on, want)
  })
}

test('versions that Kubernetes once had are told of', () => {
  const { warnings } = readRuntimeConfig(['batch/v2alpha1', 'extensions/v1beta1/ingress=false', 'apps/v1'], KNOWN)
  assert.deepEqual(warnings, [
    '--runtime-config: batch/v2alpha1 is served no more',
    '--runtime-config: extensions/v1beta1/ingress is served no more',
  ])
})

for (const [entry, message] of [
  ['foo/v1=true', 'unknown api groups foo'],
  ['apps/v7=true', 'group version apps/v7 that has not been registered'],
  ['apps=false', 'runtime-config invalid key apps'],
  ['apps/v1/a/b=true', 'runtime-config invalid key apps/v1/a/b'],
  ['=true', 'runtime-config invalid key '],
  ['apps/v1=maybe', 'invalid value of apps/v1: maybe, err: strconv.ParseBool: parsing "maybe": invalid syntax'],
  ['api/all=maybe', 'invalid value api/all=maybe'],
  ['api/all=false', 'invalid key with only api/all=false'],
] as const) {
  test(`--runtime-config=${entry} is refused`, () => {
    assert.throws(
      () => readRuntimeConfig([entry], KNOWN),
      (error) => error instanceof RuntimeConfigError && error.message === message,
    )
  })
}

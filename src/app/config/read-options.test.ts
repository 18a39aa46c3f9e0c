import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { completeConfig, describeOptions } from './config.ts'
import { ConfigurationError } from './configuration-error.ts'
import { OPTIONS, type OptionName } from './options.ts'
import { readOptions } from './read-options.ts'

const folder = mkdtempSync(join(tmpdir(), 'portico-options-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const configFile = (name: string, options: string): string => {
  const path = join(folder, name)
  writeFileSync(path, `apiVersion: config.portico.dev/v1alpha1\nkind: PorticoConfiguration\noptions: ${options}\n`)
  return path
}

const PRECEDENCE: readonly { name: string; file?: string; env?: string; flag?: string; want: number }[] = [
  { name: 'the default', want: 6443 },
  { name: 'the file over the default', file: '1', want: 1 },
  { name: 'the environment over the file', file: '1', env: '2', want: 2 },
  { name: 'the flag over the environment and the file', file: '1', env: '2', flag: '3', want: 3 },
  { name: 'the flag over the file', file: '1', flag: '3', want: 3 },
]
for (const { name, file, env, flag, want } of PRECEDENCE) {
  test(`readOptions: ${name}`, () => {
    const args = [
      ...(file === undefined ? [] : [`--config=${configFile('precedence.yaml', `{secure-port: ${file}}`)}`]),
      ...(flag === undefined ? [] : [`--secure-port=${flag}`]),
    ]
    const read = readOptions({ args, env: env === undefined ? {} : { PORTICO_SECURE_PORT: env } })
    assert.equal(read.values['secure-port'], want)
    assert.equal(read.given.has('secure-port'), want !== 6443)
  })
}

const FLAGS: readonly { name: string; args: string[]; option: OptionName; want: unknown }[] = [
  { name: 'a value after a space', args: ['--data-dir', 'x'], option: 'data-dir', want: 'x' },
  { name: 'a value with an equals sign', args: ['--data-dir=a=b'], option: 'data-dir', want: 'a=b' },
  { name: 'one dash', args: ['-v=3'], option: 'v', want: 3 },
  { name: 'a flag alone', args: ['--enable-aggregator-routing'], option: 'enable-aggregator-routing', want: true },
  { name: 'a flag with no- in front', args: ['--no-anonymous-auth'], option: 'anonymous-auth', want: false },
  { name: 'the last of two values', args: ['--v=1', '--v=2'], option: 'v', want: 2 },
  {
    name: 'a list given twice grows',
    args: ['--etcd-servers=a,b', '--etcd-servers', 'c'],
    option: 'etcd-servers',
    want: ['a', 'b', 'c'],
  },
  { name: 'a duration, in ms', args: ['--event-ttl=1h30m'], option: 'event-ttl', want: 5_400_000 },
  { name: 'a list without blanks', args: ['--etcd-servers= a , ,b'], option: 'etcd-servers', want: ['a', 'b'] },
]
for (const { name, args, option, want } of FLAGS) {
  test(`readOptions: ${name}`, () => {
    assert.deepEqual(readOptions({ args, env: {} }).values[option], want)
  })
}

test('readOptions: a list of a file is replaced by one of a flag, not joined to it', () => {
  const path = configFile('list.yaml', '{etcd-servers: [a, b]}')
  assert.deepEqual(readOptions({ args: [`--config=${path}`], env: {} }).values['etcd-servers'], ['a', 'b'])
  const both = readOptions({ args: [`--config=${path}`, '--etcd-servers=c'], env: {} })
  assert.deepEqual(both.values['etcd-servers'], ['c'])
})

test('readOptions: the config file may be named by the environment', () => {
  const env = { PORTICO_CONFIG: configFile('env.yaml', '{v: 4}') }
  assert.equal(readOptions({ args: [], env }).values.v, 4)
})

test('readOptions: variables of other programs are left alone', () => {
  // A Kubernetes Service named portico puts such variables into every pod of its namespace.
  assert.equal(readOptions({ args: [], env: { PORTICO_PORT: 'tcp://10.0.0.1:443' } }).given.size, 0)
})

test('readOptions: keys that are special to JavaScript are unknown options', () => {
  for (const key of ['__proto__', 'constructor', 'toString']) {
    assert.throws(
      () => readOptions({ args: [`--config=${configFile('proto.yaml', `{${key}: 1}`)}`], env: {} }),
      ConfigurationError,
    )
    assert.throws(() => readOptions({ args: [`--${key}=1`], env: {} }), ConfigurationError)
  }
})

const SUGGESTIONS: readonly [given: string, meant: string | undefined][] = [
  ['secure-prot', 'secure-port'],
  ['etcd-server', 'etcd-servers'],
  ['datadir', 'data-dir'],
  ['x', undefined],
  ['qqqqqqqqqqqq', undefined],
]
for (const [given, meant] of SUGGESTIONS) {
  test(`readOptions: for --${given} it suggests ${meant ?? 'nothing'}`, () => {
    const text = meant === undefined ? '' : ` (did you mean --${meant}?)`
    assert.throws(() => readOptions({ args: [`--${given}=1`], env: {} }), { message: `unknown flag --${given}${text}` })
  })
}

test('every default can be read, and completes to a config', () => {
  const read = readOptions({ args: [], env: {} })
  assert.deepEqual(Object.keys(read.values), Object.keys(OPTIONS))
  assert.deepEqual(completeConfig(read).storage, { kind: 'embedded', folder: '.portico/storage' })
})

const CONFIGS: readonly { name: string; args: string[]; fails: RegExp }[] = [
  { name: 'goaway-chance', args: ['--goaway-chance=0.03'], fails: /--goaway-chance: can not be/ },
  { name: 'cors-allowed-origins', args: ['--cors-allowed-origins=example'], fails: /--cors-allowed-origins: regular/ },
  { name: 'tls-min-version', args: ['--tls-min-version=VersionTLS10'], fails: /--tls-min-version: must be one of/ },
  { name: 'proxy key alone', args: ['--proxy-client-key-file=x'], fails: /--proxy-client-cert-file: is needed/ },
  { name: 'etcd key alone', args: ['--etcd-keyfile=x'], fails: /--etcd-certfile: is needed/ },
]
for (const { name, args, fails } of CONFIGS) {
  test(`completeConfig refuses: ${name}`, () => {
    assert.throws(() => completeConfig(readOptions({ args, env: {} })), fails)
  })
}

test('describeOptions: what is given, passwords in URLs masked', () => {
  const read = readOptions({ args: ['--etcd-servers=http://u:p@a:1,http://b:2', '--v=1'], env: {} })
  assert.deepEqual(describeOptions(read), { 'etcd-servers': ['http://***@a:1', 'http://b:2'], v: 1 })
})

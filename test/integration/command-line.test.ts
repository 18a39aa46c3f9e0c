/** The command as people meet it: real processes, their exit codes and what they say. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { DataDir } from '../../src/app/files/data-dir.ts'
import { OPTIONS } from '../../src/app/config/options.ts'
import { Pki } from '../../src/app/files/pki.ts'
import { COMMANDS } from '../../src/cli/run-command.ts'
import { completeConfig } from '../../src/app/config/config.ts'
import { readOptions } from '../../src/app/config/read-options.ts'
import { readTracingConfig } from '../../src/app/config/tracing-config.ts'
import { httpClient } from '../harness/http-client.ts'
import { type RunningProcess, serveReady, startPortico, startProcess } from '../harness/portico-process.ts'

const root = join(import.meta.dirname, '../..')
let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portico-cli-'))
})
after(() => rm(folder, { recursive: true, force: true }))

/** A lone server in a folder of its own; its flags can be extended. */
const loneServer = (name: string, ...more: string[]): RunningProcess =>
  startPortico(['serve', '--secure-port=0', '--bind-address=127.0.0.1', `--data-dir=${join(folder, name)}`, ...more])

interface Refusal {
  readonly name: string
  /** Made once the temp folder exists. */
  readonly args: () => string[] | Promise<string[]>
  readonly env?: Readonly<Record<string, string>>
  /** In the line that says why. */
  readonly says: RegExp
}
const file = async (name: string, content: string): Promise<string> => {
  const path = join(folder, name)
  await writeFile(path, content)
  return path
}
const configFile = async (name: string, content: string): Promise<string[]> => [`--config=${await file(name, content)}`]
const HEAD = 'apiVersion: config.portico.dev/v1alpha1\nkind: PorticoConfiguration\n'

const REFUSALS: readonly Refusal[] = [
  {
    name: 'an unknown flag, with the likely one',
    args: () => ['--secure-prot=1'],
    says: /unknown flag --secure-prot \(did you mean --secure-port\?\)/,
  },
  { name: 'an unknown flag like no other', args: () => ['--xyzzy-plugh'], says: /unknown flag --xyzzy-plugh$/ },
  { name: 'an argument that is no flag', args: () => ['now'], says: /unexpected argument "now"/ },
  { name: 'a flag without its value', args: () => ['--data-dir'], says: /--data-dir: needs a value/ },
  { name: 'a bad duration', args: () => ['--request-timeout=5'], says: /--request-timeout: "5": .*missing unit/ },
  { name: 'a bad number', args: () => ['--v=loud'], says: /--v: "loud": must be a whole number/ },
  {
    name: 'a controller that is none, with those there are',
    args: () => ['--storage-backend=memory', '--secure-port=0', '--controllers=*,-daemonset'],
    says: /--controllers: "daemonset" is no controller; known are .*identity-probe.*, namespace$/,
  },
  { name: 'a bad port', args: () => ['--secure-port=65536'], says: /--secure-port: "65536": must be a port/ },
  {
    name: 'a bad flag value',
    args: () => ['--anonymous-auth=maybe'],
    says: /--anonymous-auth: "maybe": must be true or false/,
  },
  {
    name: 'a bad value of the environment, by the name of the variable',
    args: () => [],
    env: { PORTICO_EVENT_TTL: 'soon' },
    says: /PORTICO_EVENT_TTL: "soon": /,
  },
  {
    name: 'a flag of kube-apiserver without its value',
    args: () => ['--service-cluster-ip-range'],
    says: /--service-cluster-ip-range: needs a value/,
  },
  {
    name: 'a cipher suite that nobody knows',
    args: () => ['--tls-cipher-suites=TLS_NULL'],
    says: /--tls-cipher-suites: "TLS_NULL" is not one of TLS_AES_128_GCM_SHA256, /,
  },
  {
    name: 'a name that leads nowhere',
    args: () => ['--bind-address=nowhere.invalid', ...inFolder('address-name')],
    says: /^portico: --bind-address: nowhere\.invalid is no address of this machine$/m,
  },
  {
    name: 'a CA file that is a key',
    args: async () => {
      const { key } = new Pki(new DataDir(join(folder, 'key')), () => Date.now()).servingFor('a', ['a'])
      return [`--client-ca-file=${await file('a.key', key)}`, ...inFolder('ca-is-key')]
    },
    says: /--client-ca-file: \S+a\.key holds PEM of type (EC )?PRIVATE KEY, not a PEM certificate/,
  },
  {
    name: 'a CA file that is a kubeconfig',
    args: async () => [
      `--client-ca-file=${await file('kc', 'apiVersion: v1\nkind: Config\n')}`,
      ...inFolder('ca-is-yaml'),
    ],
    says: /--client-ca-file: \S+kc holds YAML, not a PEM certificate/,
  },
  {
    name: 'a certificate file that is empty',
    args: async () => [
      `--tls-cert-file=${await file('empty', '')}`,
      `--tls-private-key-file=${await file('empty.key', '')}`,
      ...inFolder('empty-pem'),
    ],
    says: /--tls-cert-file: \S+empty holds nothing, not a PEM certificate/,
  },
  {
    name: 'an unknown authorization mode',
    args: () => ['--authorization-mode=ABAC'],
    says: /--authorization-mode: "ABAC" is not one of/,
  },
  {
    name: 'an authorization webhook that nothing names',
    args: () => ['--authorization-mode=Webhook'],
    says: /--authorization-mode: Webhook needs --authorization-webhook-config-file or --authorization-kubeconfig/,
  },
  {
    name: 'an authorization webhook that is never asked',
    args: () => ['--authorization-webhook-config-file=a'],
    says: /--authorization-webhook-config-file: is of no use without Webhook in --authorization-mode/,
  },
  {
    name: 'two who know tokens',
    args: () => ['--authentication-kubeconfig=a', '--authentication-token-webhook-config-file=b'],
    says: /--authentication-kubeconfig: cannot be used together with --authentication-token-webhook-config-file/,
  },
  {
    name: 'a kubeconfig that is missing',
    args: () => ['--authentication-kubeconfig=/missing/kubeconfig', ...inFolder('nobody')],
    says: /--authentication-kubeconfig: ENOENT/,
  },
  {
    name: 'a version of reviews that nobody knows',
    args: () => ['--authorization-webhook-version=v2'],
    says: /--authorization-webhook-version: must be v1 or v1beta1/,
  },
  {
    name: 'an unknown storage',
    args: () => ['--storage-backend=bolt'],
    says: /--storage-backend: "bolt" is not one of/,
  },
  {
    name: 'etcd without addresses',
    args: () => ['--storage-backend=etcd'],
    says: /--etcd-servers: is needed/,
  },
  {
    name: 'a certificate without its key',
    args: () => ['--tls-cert-file=a.crt'],
    says: /--tls-private-key-file: is needed together with --tls-cert-file/,
  },
  {
    name: 'a certificate file that is missing',
    args: () => ['--tls-cert-file=/missing/a.crt', '--tls-private-key-file=/missing/a.key', ...inFolder('missing')],
    says: /--tls-cert-file: ENOENT/,
  },
  {
    name: 'a certificate and another key',
    args: async () => {
      const pki = new Pki(new DataDir(join(folder, 'pairs')), () => Date.now())
      const [a, b] = [pki.servingFor('a', ['a']), pki.servingFor('b', ['b'])]
      return [
        `--tls-cert-file=${await file('a.crt', a.cert)}`,
        `--tls-private-key-file=${await file('b.key', b.key)}`,
        ...inFolder('mismatch'),
      ]
    },
    says: /--tls-cert-file, --tls-private-key-file or a CA file: .*key values mismatch/,
  },
  {
    name: 'one CA for clients and front proxies, with any name allowed',
    args: async () => {
      const ca = new Pki(new DataDir(join(folder, 'pairs')), () => Date.now()).ca().cert
      const path = await file('both-ca.crt', ca)
      return [`--client-ca-file=${path}`, `--requestheader-client-ca-file=${path}`]
    },
    says: /--requestheader-client-ca-file: is the same as --client-ca-file.*--requestheader-allowed-names/,
  },
  {
    name: 'a data folder that is a file',
    args: async () => [`--data-dir=${await file('taken', '')}`],
    says: /--data-dir: E\w+: .*taken/,
  },
  {
    name: 'a data folder where none can be made',
    args: () => ['--data-dir=/proc/portico'],
    says: /--data-dir: E\w+: .*portico/,
  },
  {
    name: 'an address of another machine, which is not the fault of the port',
    args: () => ['--bind-address=192.0.2.1', '--secure-port=0', '--storage-backend=memory', ...inFolder('elsewhere')],
    says: /^portico: --bind-address: 192\.0\.2\.1 is no address of this machine$/,
  },
  {
    name: 'a token file that is no table',
    args: async () => [`--token-auth-file=${await file('tokens.csv', 'only-one-column\n')}`],
    says: /--token-auth-file: /,
  },
  {
    name: 'a tracing configuration of another kind',
    args: async () => [
      `--tracing-config-file=${await file('tracing.yaml', 'kind: Other\n')}`,
      '--storage-backend=memory',
      ...inFolder('tracing'),
    ],
    says: /--tracing-config-file: .*is not a TracingConfiguration/,
  },
  {
    name: 'a config file that is missing',
    args: () => ['--config=/missing/portico.yaml'],
    says: /--config: ENOENT/,
  },
  {
    name: 'a config file of another version',
    args: () => configFile('version.yaml', 'apiVersion: config.portico.dev/v9\nkind: PorticoConfiguration\n'),
    says: /--config: .*version\.yaml: must have apiVersion config\.portico\.dev\/v1alpha1/,
  },
  {
    name: 'a config file with an unknown field',
    args: () => configFile('field.yaml', `${HEAD}storage: {}\n`),
    says: /--config: .*field\.yaml: unknown field storage/,
  },
  {
    name: 'a config file with an unknown option, with the likely one',
    args: () => configFile('option.yaml', `${HEAD}options:\n  secure_port: 1\n`),
    says: /--config: .*option\.yaml: unknown option secure_port \(did you mean --secure-port\?\)/,
  },
  {
    name: 'a config file with a key given twice',
    args: () => configFile('twice.yaml', `${HEAD}options:\n  secure-port: 1\n  secure-port: 2\n`),
    says: /--config: .*twice\.yaml: Map keys must be unique at line 5, column 3: secure-port: 2$/,
  },
  {
    name: 'a config file whose option is a map',
    args: () => configFile('map.yaml', `${HEAD}options:\n  secure-port: {a: 1}\n`),
    says: /map\.yaml: options\.secure-port: must be a text, a number, a flag or a list/,
  },
  {
    name: 'a config file whose value cannot be, by the name of the field',
    args: () => configFile('value.yaml', `${HEAD}options:\n  secure-port: many\n`),
    says: /value\.yaml: options\.secure-port: "many": must be a port/,
  },
]
/** Where the server gets as far as its data folder. */
function inFolder(name: string): string[] {
  return [`--data-dir=${join(folder, name)}`]
}

test('a setting that cannot be ends the process with 2 and one line that names it', async (t) => {
  for (const { name, args, env, says } of REFUSALS) {
    await t.test(name, async () => {
      await using portico = startPortico(['serve', ...(await args())], { cwd: folder, ...(env ? { env } : {}) })
      const { code, stderr } = await portico.ended
      const lines = stderr.split('\n').filter((l) => l !== '' && !l.startsWith('{'))
      assert.equal(lines.length, 1, stderr)
      assert.match(lines[0]!, /^portico: /)
      assert.match(lines[0]!, says)
      assert.equal(code, 2)
    })
  }
})

test('an unknown command ends with 2', async () => {
  await using portico = startPortico(['sreve'])
  const { code, stderr } = await portico.ended
  assert.equal(code, 2)
  assert.equal(stderr, 'portico: unknown command "sreve" (did you mean serve?); try portico --help\n')
})

test('a port in use and a folder in use end with 2; the running server goes on', async () => {
  await using first = loneServer('first', '--storage-backend=embedded')
  const port = await serveReady(first)
  await using samePort = loneServer('second', `--secure-port=${port}`, '--storage-backend=memory')
  await using sameFolder = loneServer('first')
  const [a, b] = await Promise.all([samePort.ended, sameFolder.ended])
  assert.match(
    a.stderr,
    /^portico: --secure-port: port \d+ of 127\.0\.0\.1 is taken by another process: choose another one/m,
  )
  assert.match(b.stderr, /^portico: --data-dir: .*belongs to a process that is running/m)
  assert.deepEqual([a.code, b.code], [2, 2])
  const ca = await readFile(join(folder, 'first/pki/ca.crt'), 'utf8')
  const client = httpClient(`https://127.0.0.1:${port}`, { ca })
  assert.equal((await client.get('/readyz')).text, 'ok')
  await client.close()
})

test('a storage that does not answer ends with 1 after --storage-initialization-timeout', async () => {
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as { port: number }
  closed.close()
  await using portico = loneServer(
    'no-etcd',
    `--etcd-servers=http://127.0.0.1:${port}`,
    '--storage-initialization-timeout=300ms',
  )
  const { code, stderr } = await portico.ended
  const last = stderr.trim().split('\n').at(-1)!
  assert.match(last, /^portico: the storage did not answer within --storage-initialization-timeout \(300ms\): /)
  assert.equal(code, 1)
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} drains and ends with 0`, async () => {
    await using portico = loneServer(signal, '--shutdown-watch-termination-grace-period=0s')
    await serveReady(portico)
    portico.child.kill(signal)
    const { code, stderr } = await portico.ended
    assert.equal(code, 0, stderr)
    const steps = [...stderr.matchAll(/"msg":"([^"]+)"/g)].map((m) => m[1])
    assert.deepEqual(steps.slice(-5), [
      'ready',
      'shutting down',
      'new requests are refused',
      'requests are drained',
      'stopped',
    ])
  })
}

test('signals that reach it by several ways at once are one wish to stop', async () => {
  await using portico = loneServer('group', '--shutdown-delay-duration=300ms')
  await serveReady(portico)
  for (const signal of ['SIGINT', 'SIGINT', 'SIGTERM'] as const) portico.child.kill(signal)
  await portico.until(/"msg":"shutting down"/)
  portico.child.kill('SIGINT')
  assert.equal((await portico.ended).code, 0)
})

test('a second signal ends the process at once', async () => {
  await using portico = loneServer('impatient', '--shutdown-delay-duration=1h')
  await serveReady(portico)
  portico.child.kill('SIGTERM')
  await portico.until(/"msg":"shutting down"/)
  // Signals close together are one wish: the second wish is the one that comes later.
  const again = setInterval(() => portico.child.kill('SIGTERM'), 100)
  const { signal } = await portico.ended
  clearInterval(again)
  assert.equal(signal, 'SIGKILL')
})

test('an error nobody caught is logged and drains; the process ends with 1', async () => {
  const thrower = await file('thrower.mjs', "process.on('SIGUSR2', () => { throw new Error('nobody catches this') })\n")
  await using portico = startPortico(
    [
      'serve',
      '--secure-port=0',
      '--bind-address=127.0.0.1',
      '--shutdown-watch-termination-grace-period=0s',
      ...inFolder('thrower'),
    ],
    { env: { NODE_OPTIONS: `--import=${thrower}` } },
  )
  await serveReady(portico)
  portico.child.kill('SIGUSR2')
  const { code, stderr } = await portico.ended
  assert.match(stderr, /"level":"error".*nobody catches this.*an error that nothing caught/)
  assert.match(stderr, /"msg":"stopped"/)
  assert.equal(code, 1)
})

test('the first line of the log gives version and given options, secrets masked', async () => {
  await using portico = loneServer(
    'logged',
    '--storage-backend=memory',
    '--event-ttl=2h',
    '--tracing-endpoint=http://me:s3cret@127.0.0.1:4318',
  )
  await portico.until(/"msg":"starting"/)
  const first = JSON.parse(portico.stderr().split('\n')[0]!) as {
    version: string
    options: Record<string, unknown>
  }
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { version: string }
  assert.equal(first.version, version)
  assert.equal(first.options['storage-backend'], 'memory')
  assert.deepEqual(Object.keys(first.options).sort(), [
    'bind-address',
    'data-dir',
    'event-ttl',
    'secure-port',
    'storage-backend',
    'tracing-endpoint',
  ])
  assert.equal(first.options['tracing-endpoint'], 'http://***@127.0.0.1:4318')
})

test('--help lists every option with its variable', async () => {
  await using portico = startPortico(['serve', '--help'])
  const { code, stdout } = await portico.ended
  assert.equal(code, 0)
  for (const name of Object.keys(OPTIONS)) {
    assert.match(stdout, new RegExp(`^ {2}--${name}( |$)`, 'm'))
    assert.ok(stdout.includes(`[PORTICO_${name.toUpperCase().replaceAll('-', '_')}]`), name)
  }
})

test('help and --help name the commands', async () => {
  for (const args of [[], ['help'], ['--help']]) {
    await using portico = startPortico(args)
    const { code, stdout } = await portico.ended
    assert.equal(code, 0)
    for (const [name, { about }] of Object.entries(COMMANDS))
      assert.match(stdout, new RegExp(`^ {2}${name} +${about.replaceAll('.', '\\.')}$`, 'm'))
  }
})

test('every file of config/ is one that the server takes', async () => {
  const files = await readdir(join(root, 'config'))
  assert.ok(files.length > 0)
  for (const name of files) {
    const path = join(root, 'config', name)
    if ((await readFile(path, 'utf8')).includes('TracingConfiguration')) {
      assert.ok(readTracingConfig(readOptions({ args: [`--tracing-config-file=${path}`], env: {} }).values), name)
    } else completeConfig(readOptions({ args: [`--config=${path}`], env: {} }))
  }
})

test('serve goes on in the same process with what V8 and malloc read as they start, and what was given to it wins', {
  skip: process.platform !== 'linux' && 'reads /proc',
}, async () => {
  const main = join(root, 'src/main.ts')
  const args = ['serve', '--secure-port=0', '--bind-address=127.0.0.1', `--data-dir=${join(folder, 'flags')}`]
  const env = { MALLOC_ARENA_MAX: '3' }
  await using server = startProcess(process.execPath, ['--stack-trace-limit=7', main, ...args], { env })
  await serveReady(server)
  const running = (await readFile(`/proc/${server.child.pid}/cmdline`, 'utf8')).split('\0')
  const own = ['--max-semi-space-size=16', '--heap-growing-percent=60', '--no-allocation-site-pretenuring']
  assert.deepEqual(running, [process.execPath, ...own, '--stack-trace-limit=7', main, ...args, ''])
  const environment = (await readFile(`/proc/${server.child.pid}/environ`, 'utf8')).split('\0')
  const malloc = environment.filter((entry) => entry.startsWith('MALLOC_')).sort()
  const expected = ['MALLOC_ARENA_MAX=3', 'MALLOC_MMAP_THRESHOLD_=131072', 'MALLOC_TRIM_THRESHOLD_=1048576']
  assert.deepEqual(malloc, expected)
  server.child.kill('SIGTERM')
  assert.equal((await server.ended).code, 0)
})

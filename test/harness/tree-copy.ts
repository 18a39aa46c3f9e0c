/** Copies of the project for tests of what is built and shipped: nothing is written into the project itself. */
import { readFileSync } from 'node:fs'
import { cp, mkdir, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')
const LEFT_OUT = new Set(['node_modules', '.git', 'dist', '.cache', '.portico', 'coverage'])

/** The sources, with the project's own node_modules. */
export async function copyTree(to: string): Promise<void> {
  await cp(ROOT, to, { recursive: true, filter: (path) => !LEFT_OUT.has(relative(ROOT, path)) })
  await symlink(join(ROOT, 'node_modules'), join(to, 'node_modules'))
}

/** A node_modules as `npm prune --omit=dev` leaves it: what is needed to run and nothing else. */
export async function linkProduction(nodeModules: string, o: { without?: readonly string[] } = {}): Promise<void> {
  const { packages } = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean; optional?: boolean }>
  }
  // Nested ones come with the package they are nested in.
  const top = Object.entries(packages).filter(([path, p]) => /^node_modules\/(@[^/]+\/)?[^/]+$/.test(path) && !p.dev)
  for (const [path] of top) {
    const name = path.slice('node_modules/'.length)
    if (o.without?.includes(name)) continue
    await mkdir(dirname(join(nodeModules, name)), { recursive: true })
    await symlink(join(ROOT, path), join(nodeModules, name))
  }
}

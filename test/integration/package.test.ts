import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { httpClient } from '../harness/http-client.ts'
import { serveReady, startProcess } from '../harness/portico-process.ts'
import { copyTree, linkProduction } from '../harness/tree-copy.ts'

const run = promisify(execFile)

test('the packed and unpacked package serves from dist/, with what it depends on and nothing else', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'portico-package-'))
  try {
    const source = join(folder, 'source')
    await copyTree(source)
    // The project turns install scripts off; packing has one that builds.
    const pack = ['pack', '--ignore-scripts=false', '--pack-destination', folder]
    await run('npm', pack, { cwd: source, timeout: 120_000 })
    const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'))!
    const installed = join(folder, 'node_modules/portico')
    await mkdir(installed, { recursive: true })
    await run('tar', ['xzf', join(folder, tarball), '-C', installed, '--strip-components=1'])
    await linkProduction(join(folder, 'node_modules'))

    const files = await readdir(installed)
    assert.deepEqual(files.sort(), ['LICENSE', 'README.md', 'bin', 'config', 'dist', 'grafana', 'package.json'])
    const compiled = await readdir(join(installed, 'dist'), { recursive: true })
    assert.deepEqual(
      compiled.filter((name) => name.endsWith('.ts') || name.includes('.test.')),
      [],
    )
    const dataDir = join(folder, 'data')
    await using portico = startProcess(
      process.execPath,
      [
        join(installed, 'bin/portico.mjs'),
        'serve',
        '--secure-port=0',
        '--bind-address=127.0.0.1',
        '--shutdown-watch-termination-grace-period=0s',
        `--data-dir=${dataDir}`,
      ],
      { cwd: folder },
    )
    const port = await serveReady(portico)
    const ca = await readFile(join(dataDir, 'pki/ca.crt'), 'utf8')
    const client = httpClient(`https://127.0.0.1:${port}`, { ca })
    assert.equal((await client.get('/readyz')).text, 'ok')
    await client.close()
    portico.child.kill('SIGTERM')
    assert.equal((await portico.ended).code, 0, portico.stderr())
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

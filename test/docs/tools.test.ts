/** The commands of docs/tools.md are run against a server, and end there as the page says. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { registerSample } from '../harness/backends.ts'
import { startPortico } from '../harness/portico-process.ts'
import { startTestServer } from '../harness/server.ts'
import { ROOT } from '../harness/tree-copy.ts'

const PAGE = readFileSync(join(ROOT, 'docs/tools.md'), 'utf8')
const COMMANDS = [...PAGE.matchAll(/^```sh\n([\s\S]*?)^```$/gm)]
  .flatMap(([, block]) => block!.trimEnd().split('\n'))
  .map((line) => line.split(/\s+/).slice(1))

test('the commands of docs/tools.md', async (t) => {
  assert.ok(COMMANDS.length >= 7)
  await using portico = await startTestServer()
  await using _garden = await registerSample(portico, 'garden')
  for (const args of COMMANDS) {
    await t.test(args.join(' '), async () => {
      await using made = startPortico(args, { env: { KUBECONFIG: portico.kubeconfig } })
      const { code, stdout, stderr } = await made.ended
      // Jane may do nothing.
      assert.equal(code, args.includes('--as=jane') ? 1 : 0, stdout + stderr)
      assert.notEqual(stdout, '')
    })
  }
})

test('each column of the table that docs/tools.md explains is one that is printed', async () => {
  await using portico = await startTestServer()
  await using _garden = await registerSample(portico, 'garden')
  await using made = startPortico(['doctor', `--kubeconfig=${portico.kubeconfig}`])
  const printed = (await made.ended).stdout.split('\n')[0]!.split(/\s+/)
  const explained = [...PAGE.matchAll(/^\| ([A-Z]+) \|/gm)].map(([, name]) => name)
  assert.deepEqual(printed.slice(3), explained)
})

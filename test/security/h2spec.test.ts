/**
 * h2spec, the conformance tests of RFC 7540 and 7541, against a whole server. It is built with Go into a cache folder, once;
 * where Go or its module proxy is not there, the test is skipped.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { policyOf, RAW_PATH, registerRaw, startRawBackend } from '../harness/raw-backend.ts'
import { startTestServer } from '../harness/server.ts'

const run = promisify(execFile)
const MODULE = 'github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible'
const FOLDER = join(tmpdir(), 'portico-h2spec-2.2.1')
const PROGRAM = join(FOLDER, 'h2spec')
const BUILD_MS = 300_000
/** Long enough for two frames of one test to arrive. */
const ANSWER_MS = 50
/** Some tests want more than one frame. */
const BODY = JSON.stringify({ text: 'x'.repeat(100) })
/** RFC 9113 has no priorities any more (section 5.3.2): what says so is read and means nothing. */
const GONE = ['Sends HEADERS frame that depend on itself', 'Sends PRIORITY frame that depend on itself']

/** @returns why there is none. */
async function build(): Promise<string | undefined> {
  if (existsSync(PROGRAM)) return undefined
  try {
    await run('go', ['install', MODULE], {
      env: { ...process.env, GOBIN: FOLDER, GOPATH: join(FOLDER, 'go'), GOFLAGS: '-modcacherw' },
      timeout: BUILD_MS,
    })
  } catch (e) {
    return `h2spec could not be built: ${(e as Error).message.split('\n')[0]}`
  }
  return existsSync(PROGRAM) ? undefined : 'h2spec was built elsewhere'
}

test('h2spec finds nothing', { timeout: 600_000 }, async (t) => {
  const missing = await build()
  if (missing !== undefined) return t.skip(missing)
  await using portico = await startTestServer(['--authorization-mode=AlwaysAllow'])
  // Some tests send two frames that are only wrong together: an answer between them would hide the second.
  await using raw = await startRawBackend(portico, {
    handler: (request, response) => {
      request.resume()
      request.on('end', () => setTimeout(() => response.end(BODY), ANSWER_MS))
    },
  })
  await registerRaw(portico, policyOf([raw], { timeouts: { total: '30s' } }))
  const args = [
    '--tls',
    '--insecure',
    '--host=127.0.0.1',
    `--port=${portico.server.port}`,
    `--path=${RAW_PATH}/things`,
    '--timeout=5',
  ]
  const { stdout } = await run(PROGRAM, args, { maxBuffer: 4_194_304 }).catch((e: { stdout: string }) => e)
  const [, total, passed] = /(\d+) tests, (\d+) passed/.exec(stdout) ?? []
  t.diagnostic(`${passed} of ${total} passed`)
  const failed = new Set([...stdout.matchAll(/\u00d7 \d+: (.*)/g)].map(([, title]) => title!.trim()))
  assert.deepEqual([...failed].toSorted(), GONE, stdout)
  assert.equal(Number(passed) + GONE.length, Number(total), stdout)
  assert.ok(Number(total) > 140, stdout)
})

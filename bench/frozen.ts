/**
 * A backend that stands still with its connections open (SIGSTOP): how long requests wait until they are answered by
 * another endpoint, or with 503 where there is none, and how long after its recovery they pass again. With the default
 * settings; prints one JSON object.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { startChildBackend } from '../test/harness/child-backend.ts'
import { type HttpClient, httpClient } from '../test/harness/http-client.ts'
import { registerBackend } from './lib/register-backend.ts'
import { startServerProcess } from './lib/server-process.ts'

const GROUP = 'raw.example.com'
const PATH = `/apis/${GROUP}/v1/things`
const AT_ONCE = 20

/** The slowest of some requests sent now, and their codes. */
async function volley(admin: HttpClient): Promise<{ ms: number; codes: number[] }> {
  const startedMs = performance.now()
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => admin.get(PATH)))
  return { ms: Math.round(performance.now() - startedMs), codes: [...new Set(answers.map((a) => a.status))] }
}

async function measure(protocol: 'h2' | 'http/1.1', endpoints: 1 | 2): Promise<object> {
  await using server = await startServerProcess(['--storage-backend=memory'])
  const ca = server.pki.ca().cert
  const admin = httpClient(`https://127.0.0.1:${server.port}`, { ca, ...server.pki.admin() })
  await using frozen = await startChildBackend(server, { host: '127.0.0.1', protocol })
  await using other = await startChildBackend(server, { host: '127.0.0.2', protocol })
  await registerBackend(admin, { group: GROUP, at: [frozen, other].slice(0, endpoints), ca, path: PATH })
  await pause(1_000)
  await volley(admin)
  frozen.process.kill('SIGSTOP')
  const stopped = await volley(admin)
  // Long enough that the backend is known to be away.
  await pause(5_000)
  frozen.process.kill('SIGCONT')
  const resumedMs = performance.now()
  while ((await admin.get(PATH)).status !== 200) await pause(20)
  const backMs = Math.round(performance.now() - resumedMs)
  await admin.close()
  return { answeredAfterMs: stopped.ms, codes: stopped.codes, backAfterMs: backMs }
}

const result: Record<string, object> = {}
for (const protocol of ['h2', 'http/1.1'] as const)
  for (const endpoints of [1, 2] as const)
    result[`${protocol}, ${endpoints} endpoints`] = await measure(protocol, endpoints)
console.log(JSON.stringify({ name: 'frozen', ...result }))

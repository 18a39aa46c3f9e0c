/**
 * One small client: whatever it sends in one request of at most 3 MiB, the server answers, and the event loop and the
 * memory stay free for the others. Both are read from the server itself, between one request and the next.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { DataDir } from '../../src/app/files/data-dir.ts'
import { Pki } from '../../src/app/files/pki.ts'
import { type Answer, type HttpClient, httpClient } from '../harness/http-client.ts'
import { type RunningProcess, serveReady, startPortico } from '../harness/portico-process.ts'
import { type Hostile, hostileRequests } from '../harness/hostile/requests.ts'

/** The goal is 100 ms on a machine of its own; a loaded one is several times slower. */
const MAX_LOOP_MS = 500
const MAX_GROWTH_MB = 300
const MAX_ANSWER_BYTES = 8 * 1024 * 1024

const ATTEMPTS = 3

interface Measured {
  readonly answer: Answer
  readonly loopMs: number
  readonly grownMb: number
}
const isWithin = ({ loopMs, grownMb }: Measured): boolean => loopMs < MAX_LOOP_MS && grownMb < MAX_GROWTH_MB

describe('one small client', () => {
  let folder: string
  let portico: RunningProcess
  let admin: HttpClient
  let nobody: HttpClient
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'portico-test-'))
    portico = startPortico([
      'serve',
      '--secure-port=0',
      '--bind-address=127.0.0.1',
      '--storage-backend=memory',
      `--data-dir=${folder}`,
    ])
    const url = `https://127.0.0.1:${await serveReady(portico)}`
    const pki = new Pki(new DataDir(folder), () => Date.now())
    const { cert: ca } = pki.ca()
    admin = httpClient(url, { ca, ...pki.admin() })
    nobody = httpClient(url, { ca, ...pki.client({ commonName: 'nobody', organizations: [] }) })
  })
  after(async () => {
    await Promise.all([admin.close(), nobody.close()])
    await portico[Symbol.asyncDispose]()
    await rm(folder, { recursive: true, force: true })
  })

  for (const hostile of hostileRequests()) {
    test(hostile.name, async (t) => {
      const attempts: Measured[] = []
      // What else the machine does only adds: of several measurements the least is the server's own.
      do {
        attempts.push(await measure(hostile))
      } while (attempts.length < ATTEMPTS && !attempts.some(isWithin))
      const { answer, loopMs, grownMb } = attempts.find(isWithin) ?? attempts.at(-1)!
      t.diagnostic(`${answer.status}, loop ${Math.round(loopMs)} ms, ${Math.round(grownMb)} MiB`)
      assert.ok(hostile.statuses.includes(answer.status), `${answer.status} ${answer.text.slice(0, 300)}`)
      assert.ok(answer.bytes.byteLength < MAX_ANSWER_BYTES, `${answer.bytes.byteLength} bytes answered`)
      assert.ok(loopMs < MAX_LOOP_MS, `the event loop was held for ${loopMs} ms`)
      assert.ok(grownMb < MAX_GROWTH_MB, `the memory grew by ${grownMb} MiB`)
    })
  }

  async function measure(hostile: Hostile): Promise<Measured> {
    await loopDelay()
    const resident = await residentMb()
    await forgetPeak()
    const answer = await send(hostile)
    return { answer, loopMs: await loopDelay(), grownMb: (await peakMb()) - resident }
  }

  function send({ method, path, type, body, accept, as }: Hostile): Promise<Answer> {
    return (as === 'nobody' ? nobody : admin).request(method, path, {
      headers: {
        ...(type === undefined ? {} : { 'content-type': type }),
        ...(accept === undefined ? {} : { accept }),
      },
      ...(body === undefined ? {} : { body: body() }),
    })
  }

  /** The longest since the last time it was asked for, in ms. */
  async function loopDelay(): Promise<number> {
    const { text } = await admin.get('/metrics')
    const found = /^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(text)
    return Number(found![1]) * 1000
  }
  const status = (): Promise<string> => readFile(`/proc/${portico.child.pid}/status`, 'utf8')
  const mb = (text: string, name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text)![1]) / 1024
  const residentMb = async (): Promise<number> => mb(await status(), 'VmRSS')
  const peakMb = async (): Promise<number> => mb(await status(), 'VmHWM')
  const forgetPeak = (): Promise<void> => writeFile(`/proc/${portico.child.pid}/clear_refs`, '5')
})

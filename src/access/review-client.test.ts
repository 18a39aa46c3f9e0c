import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Transport, TransportFailure, TransportResponse } from '../client/transport.ts'
import { ProtocolError } from '../http/http1/protocol-error.ts'
import { FakeClock } from '../lib/fake-clock.ts'
import { nextTurn } from '../lib/next-turn.ts'
import { noopLogger } from '../observability/logger.ts'
import { ReviewClient, ReviewError } from './review-client.ts'

type Step =
  | { status: number; body?: object; headers?: Record<string, string> }
  | { code: string }
  | { fails: Error }
  | 'hangs'
const GOOD = { status: 201, body: { kind: 'TokenReview', status: { authenticated: true } } }
const reset: Step = { code: 'ECONNRESET' }
/** As a transport over a network rejects. */
const fails = (phase: TransportFailure['phase'], cause?: Error, o: Partial<TransportFailure> = {}): Step => ({
  fails: Object.assign(new Error(phase, { cause }), { phase, silent: false, timedOut: false, ...o }),
})
const coded = (code: string): Error => Object.assign(new Error(code), { code })
const ONCE = ['<error>']

/** A server that answers so, step after step; the last one for ever. */
function askWith(steps: readonly Step[]) {
  const clock = new FakeClock()
  const codes: string[] = []
  const bodies: unknown[] = []
  let asked = 0
  const transport: Transport = async ({ body, signal }): Promise<TransportResponse> => {
    const step = steps[Math.min(asked++, steps.length - 1)]!
    bodies.push(JSON.parse(Buffer.from(body!).toString()))
    if (step === 'hangs')
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)))
    if ('fails' in step) throw step.fails
    if ('code' in step) throw Object.assign(new Error(`it failed: ${step.code}`), { code: step.code })
    const chunks = [Buffer.from(JSON.stringify(step.body ?? {}))]
    return { status: step.status, headers: step.headers ?? {}, body: ReadableStream.from(chunks) }
  }
  const client = new ReviewClient({
    transport,
    path: '',
    kind: 'TokenReview',
    clock,
    log: noopLogger,
    random: () => 0,
    attempted: (code) => codes.push(code),
  })
  let settled = false
  const outcome = client.ask('authentication.k8s.io/v1', { token: 't' }).then(
    () => 'answered',
    (e: unknown) => `${(e as ReviewError).outcome}: ${(e as Error).message}`,
  )
  void outcome.finally(() => (settled = true))
  const finish = async (): Promise<string> => {
    while (!settled) {
      for (let i = 0; i < 10; i++) await nextTurn()
      if (!settled) clock.advance(250)
    }
    return outcome
  }
  return { finish, codes, bodies, clock }
}

const rows: readonly { name: string; steps: readonly Step[]; codes: string[]; want: string | RegExp }[] = [
  { name: 'an answer', steps: [GOOD], codes: ['201'], want: 'answered' },
  { name: 'a broken connection, then an answer', steps: [reset, GOOD], codes: ['<error>', '201'], want: 'answered' },
  { name: 'busy, then an answer', steps: [{ status: 429 }, GOOD], codes: ['429', '201'], want: 'answered' },
  {
    name: 'asked to come back',
    steps: [{ status: 503, headers: { 'retry-after': '1' } }, GOOD],
    codes: ['503', '201'],
    want: 'answered',
  },
  {
    name: 'a server that stays away is asked five times',
    steps: [reset],
    codes: Array.from({ length: 5 }, () => '<error>'),
    want: 'error: failed to ask for a TokenReview: it failed: ECONNRESET',
  },
  {
    name: 'a server that nobody is at is not waited for',
    steps: [{ code: 'ECONNREFUSED' }],
    codes: ['<error>'],
    want: 'error: failed to ask for a TokenReview: it failed: ECONNREFUSED',
  },
  {
    name: 'who may not ask is told why, once',
    steps: [{ status: 403, body: { message: 'not you' } }],
    codes: ['403'],
    want: 'error: a TokenReview was answered with 403: not you',
  },
  {
    name: 'a bad certificate is not tried again',
    steps: [{ code: 'CERT_HAS_EXPIRED' }],
    codes: ['<error>'],
    want: /^error: .*CERT_HAS_EXPIRED/,
  },
  {
    name: 'an answer that is no review',
    steps: [{ status: 200, body: { kind: 'Pod', status: {} } }],
    codes: ['200'],
    want: /^error: .* is none$/,
  },
  {
    name: 'a server that never answers',
    steps: ['hangs'],
    codes: ['<error>', '<error>', '<error>'],
    want: /^timeout: /,
  },
]
const failures: readonly { name: string; step: Step; again: boolean }[] = [
  { name: 'nobody listens', step: fails('connect', coded('ECONNREFUSED')), again: false },
  { name: 'a connection that breaks', step: fails('first-byte', coded('ECONNRESET')), again: true },
  { name: 'a connection that ends', step: fails('first-byte', new Error('EOF')), again: true },
  { name: 'a connection that breaks while it is secured', step: fails('tls', coded('ECONNRESET')), again: true },
  { name: 'an answer that breaks off', step: fails('stream', new Error('unexpected EOF')), again: true },
  { name: 'an answer that is none', step: fails('first-byte', new ProtocolError('bad status line')), again: false },
  { name: 'no answer in time', step: fails('first-byte', undefined, { timedOut: true }), again: true },
  { name: 'no handshake in time', step: fails('tls', new Error('timeout'), { silent: true }), again: true },
  { name: 'a certificate without names', step: fails('tls', new Error('x509')), again: false },
  { name: 'a certificate of another CA', step: fails('tls', coded('SELF_SIGNED_CERT_IN_CHAIN')), again: false },
  { name: 'a name that is none', step: fails('connect', coded('ENOTFOUND')), again: false },
  { name: 'a name server that is away', step: fails('connect', coded('EAI_AGAIN')), again: true },
  { name: 'too many that wait', step: fails('queue'), again: true },
]
for (const { name, step, again } of failures) {
  test(`a review: ${name} is ${again ? '' : 'not '}worth another attempt`, async () => {
    const asking = askWith([step, GOOD])
    const outcome = await asking.finish()
    assert.deepEqual([outcome === 'answered', asking.codes], [again, again ? [...ONCE, '201'] : ONCE])
  })
}
for (const { name, steps, codes, want } of rows) {
  test(`a review: ${name}`, async () => {
    const asking = askWith(steps)
    const outcome = await asking.finish()
    if (typeof want === 'string') assert.equal(outcome, want)
    else assert.match(outcome, want)
    assert.deepEqual(asking.codes, codes)
    assert.equal(asking.clock.pending, 0)
  })
}

test('a review is sent as a whole object', async () => {
  const asking = askWith([GOOD])
  await asking.finish()
  assert.deepEqual(asking.bodies, [
    {
      kind: 'TokenReview',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { creationTimestamp: null },
      spec: { token: 't' },
      status: { user: {} },
    },
  ])
})

/** Kinds of failure of a backend -> code, phase and text of the Status; never a text that programs cannot read. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createPlain, type AddressInfo, type Server, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { createServer as createTls, type TLSSocket } from 'node:tls'
import { startOtlpReceiver } from '../../fixtures/otlp/receiver.ts'
import type { BackendPolicySpec, PolicyBackend } from '../../src/api/backend-policy.ts'
import type { Status } from '../../src/api/status-error.ts'
import { makeCA, makeCertificate } from '../../src/http/certificates.ts'
import { type Answer, httpClient } from '../harness/http-client.ts'
import { putPolicy, RAW_PATH, RAW_TLS, registerRaw } from '../harness/raw-backend.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

const path = `${RAW_PATH}/things`
let portico: TestServer
let receiver: Awaited<ReturnType<typeof startOtlpReceiver>>
let stranger: ReturnType<typeof httpClient>
const servers: Server[] = []
/** What an HTTP/1.1 backend does with each connection. */
const answering =
  (bytes: string | ((socket: Socket) => void)) =>
  (socket: Socket): void => {
    socket.on('error', () => {})
    socket.once('data', () => (typeof bytes === 'string' ? socket.end(bytes) : bytes(socket)))
  }
type Pair = { cert: string; key: string }
async function tlsBackend(onSocket: (socket: Socket) => void, pair?: Pair): Promise<number> {
  const { cert, key } = pair ?? portico.pki.servingFor('errors', ['127.0.0.1'])
  const server = createTls({ cert, key, ALPNProtocols: ['http/1.1'] }, (s: TLSSocket) => onSocket(s))
  return listening(server)
}
async function plainBackend(onSocket: (socket: Socket) => void): Promise<number> {
  return listening(createPlain(onSocket))
}
async function listening(server: Server): Promise<number> {
  servers.push(server)
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {})
    open.add(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}
const open = new Set<Socket>()
const day = 86_400_000
const otherCa = makeCA({ commonName: 'other', notBeforeMs: Date.now() - day, notAfterMs: Date.now() + day })
const times = { notBeforeMs: Date.now() - day, notAfterMs: Date.now() + day }

interface Row {
  readonly name: string
  readonly backend: () => Promise<Partial<PolicyBackend>>
  readonly policy?: Omit<BackendPolicySpec, 'targets' | 'backends'>
  readonly code?: number
  readonly phase: string
  readonly message: RegExp
  /** Default 1. */
  readonly attempts?: number
}
const url = async (port: Promise<number>): Promise<Partial<PolicyBackend>> => ({
  url: `https://127.0.0.1:${await port}`,
  tls: RAW_TLS,
})
const answered =
  (text: string | ((socket: Socket) => void)): (() => Promise<Partial<PolicyBackend>>) =>
  () =>
    url(tlsBackend(answering(text)))
const TRACE = 'c0ffee'.padEnd(32, '0')
const traceparent = `00-${TRACE}-00000000000000aa-01`
const REASONS: Record<number, string> = {
  429: 'TooManyRequests',
  500: 'InternalError',
  502: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}
const HEAD = 'HTTP/1.1 200 OK\r\n'
const rows: readonly Row[] = [
  {
    name: 'nobody listens',
    backend: () => url(Promise.resolve(1)),
    phase: 'connect',
    message: /dial tcp.*connection refused$/,
  },
  {
    name: 'an address that never answers',
    backend: async () => ({ url: 'https://[100::1]:443', tls: RAW_TLS }),
    policy: { timeouts: { connect: '100ms' } },
    phase: 'connect',
    message: /dial tcp.*(i\/o timeout|network is unreachable|no route to host)$/,
  },
  {
    name: 'a name that does not exist',
    backend: async () => ({ url: 'https://nowhere.invalid', tls: RAW_TLS }),
    phase: 'connect',
    message: /dial tcp lookup nowhere\.invalid: (no such host|temporary failure in name resolution)$/,
  },
  {
    name: 'a DNS name without addresses',
    backend: async () => ({ dns: { name: 'nowhere.invalid' }, tls: RAW_TLS }),
    phase: 'resolve',
    attempts: 0,
    message: /^service unavailable$/,
  },
  {
    name: 'a link-local address',
    backend: async () => ({ url: 'https://169.254.169.254', tls: RAW_TLS }),
    phase: 'resolve',
    attempts: 0,
    message: /^service unavailable$/,
  },
  {
    name: 'this server itself',
    backend: async () => ({ url: portico.url, tls: RAW_TLS }),
    phase: 'resolve',
    attempts: 0,
    message: /^service unavailable$/,
  },
  {
    // What stands in the number is seen only by who looks the name up, as with a name whose addresses change.
    name: 'a name that leads to a link-local address',
    backend: async () => ({ endpoints: [{ address: '2852039166' }], tls: RAW_TLS }),
    phase: 'resolve',
    message: /lookup 2852039166: the address 169\.254\.169\.254 is link-local, which backends may not be$/,
  },
  {
    name: 'a name that leads to this server itself',
    backend: async () => ({
      endpoints: [{ address: '2130706433', port: Number(new URL(portico.url).port) }],
      tls: RAW_TLS,
    }),
    phase: 'resolve',
    message: /lookup 2130706433: the address 127\.0\.0\.1:\d+ is this server itself$/,
  },
  {
    name: 'a socket that is not there',
    backend: async () => ({ unixSocket: '/nowhere.sock' }),
    phase: 'connect',
    message: /dial unix \/nowhere\.sock: connect: no such file or directory$/,
  },
  {
    name: 'plain HTTP where TLS is spoken',
    backend: () => url(plainBackend((s) => void s.end('HTTP/1.1 400 Bad Request\r\n\r\n'))),
    phase: 'tls',
    message: /server gave HTTP response to HTTPS client$/,
  },
  {
    name: 'a handshake that never ends',
    backend: () => url(plainBackend(() => {})),
    policy: { timeouts: { tlsHandshake: '100ms' } },
    phase: 'tls',
    message: /TLS handshake timeout$/,
  },
  {
    name: 'a connection closed in the handshake',
    backend: () => url(plainBackend((s) => void s.destroy())),
    phase: 'tls',
    message: /EOF|reset|socket disconnected/,
  },
  {
    name: 'a certificate of another CA',
    backend: () =>
      url(tlsBackend(() => {}, makeCertificate({ commonName: 'x', names: ['127.0.0.1'], ...times }, otherCa))),
    phase: 'tls',
    message: /x509: certificate signed by unknown authority$/,
  },
  {
    name: 'a certificate of another name',
    backend: () => url(tlsBackend(() => {}, portico.pki.servingFor('wrong', ['elsewhere.example.com']))),
    phase: 'tls',
    message: /failed to verify certificate: x509: /,
  },
  {
    name: 'an expired certificate',
    backend: () =>
      url(
        tlsBackend(
          () => {},
          makeCertificate(
            { commonName: 'x', names: ['127.0.0.1'], notBeforeMs: times.notBeforeMs, notAfterMs: Date.now() - 60_000 },
            portico.pki.ca(),
          ),
        ),
      ),
    phase: 'tls',
    message: /certificate has expired or is not yet valid$/,
  },
  {
    name: 'no HTTP/2 where nothing else will do',
    backend: answered(`${HEAD}Content-Length: 2\r\n\r\n{}`),
    policy: { connections: { protocol: 'HTTP2' } },
    phase: 'tls',
    message: /the backend does not agree to HTTP\/2 \(ALPN h2\)/,
  },
  {
    name: 'a connection closed without an answer',
    backend: answered((s) => void s.destroy()),
    phase: 'first-byte',
    attempts: 2,
    message: /EOF|reset by peer$/,
  },
  {
    name: 'half a head',
    backend: answered('HTTP/1.1 200 OK\r\nContent-Type: te'),
    phase: 'first-byte',
    attempts: 2,
    message: /unexpected EOF$/,
  },
  {
    name: 'no HTTP at all',
    backend: answered('SSH-2.0-OpenSSH_9.2\r\n\r\n'),
    phase: 'first-byte',
    attempts: 2,
    message: /malformed|HTTP/,
  },
  {
    name: 'two lengths',
    backend: answered(`${HEAD}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`),
    phase: 'first-byte',
    attempts: 2,
    message: /ength/,
  },
  {
    name: 'a length and chunks',
    backend: answered(`${HEAD}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`),
    phase: 'first-byte',
    attempts: 2,
    message: /ength|ncoding/,
  },
  {
    name: 'headers without end',
    backend: answered((s) => void s.write(`${HEAD}X: ${'x'.repeat(2_000_000)}`)),
    phase: 'first-byte',
    attempts: 2,
    message: /header fields too large$/,
  },
  {
    name: 'a switch that nobody asked for',
    backend: answered('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'),
    phase: 'first-byte',
    attempts: 2,
    message: /unexpected 101/,
  },
  {
    name: 'an answer that does not come',
    backend: answered(() => {}),
    policy: { timeouts: { firstByte: '100ms' } },
    phase: 'first-byte',
    message: /context deadline exceeded$/,
  },
  {
    name: 'an answer that does not come before the time of the request is up',
    backend: answered(() => {}),
    policy: { timeouts: { total: '300ms' } },
    code: 504,
    phase: 'first-byte',
    message: /^Timeout: request did not complete within the allotted timeout$/,
  },
  {
    name: 'a redirect',
    backend: answered('HTTP/1.1 302 Found\r\nLocation: https://elsewhere\r\nContent-Length: 0\r\n\r\n'),
    code: 502,
    phase: 'first-byte',
    message: /^the backend attempted to redirect this request/,
  },
  {
    name: 'a CA that is not there',
    backend: async () => ({ url: 'https://127.0.0.1:1', tls: { ca: [{ file: '/nowhere.crt' }] } }),
    code: 500,
    phase: 'tls',
    attempts: 0,
    message: /nowhere\.crt cannot be read: ENOENT/,
  },
  {
    name: 'a CA that is none',
    backend: async () => ({
      url: 'https://127.0.0.1:1',
      tls: { ca: [{ configMap: { namespace: 'default', name: 'raw-ca', key: 'other' } }] },
    }),
    code: 500,
    phase: 'tls',
    attempts: 0,
    message: /has no key other/,
  },
  {
    name: 'no more requests at once',
    backend: answered(`${HEAD}Content-Length: 2\r\n\r\n{}`),
    policy: { bulkhead: { requestsPerSecond: 1, burst: 1 } },
    code: 429,
    phase: 'rate',
    attempts: 0,
    message: /too many requests/,
  },
]

describe('what fails is told: code, reason, phase, APIService, attempts, trace', () => {
  before(async () => {
    receiver = await startOtlpReceiver()
    portico = await startTestServer(['--authorization-mode=AlwaysAllow', `--tracing-endpoint=${receiver.url}`])
    stranger = httpClient(portico.url, {
      ca: portico.pki.ca().cert,
      ...portico.pki.client({ commonName: 'jane', organizations: [] }),
    })
    const port = await tlsBackend(answering(`${HEAD}Content-Length: 2\r\n\r\n{}`))
    await registerRaw(portico, policyOf({ url: `https://127.0.0.1:${port}`, tls: RAW_TLS }, {}))
  })
  after(async () => {
    await stranger.close()
    await portico.stop()
    await receiver[Symbol.asyncDispose]()
    for (const socket of open) socket.destroy()
    for (const server of servers) server.close()
  })
  for (const row of rows) {
    test(row.name, async () => {
      const { name, code = 503, phase, message } = row
      await putPolicy(portico, policyOf(await row.backend(), row.policy ?? {}))
      // Until the policy is in force, and where one request is let through first, until the second.
      const waiting: Answer = { status: 0, headers: {}, text: '', bytes: Buffer.alloc(0), json: <T>() => ({}) as T }
      const ask = (): Promise<Answer> =>
        portico.admin.get(path, { headers: { traceparent }, signal: AbortSignal.timeout(2_000) }).catch(() => waiting)
      let answer = await ask()
      const deadline = performance.now() + 10_000
      while (answer.status !== code || !message.test(answer.json<Status>().message ?? '')) {
        assert.ok(performance.now() < deadline, `${name}: ${answer.status} ${answer.text}`)
        answer = await ask()
      }
      assert.equal(answer.headers['content-type'], 'application/json')
      const causes = answer.json<Status>().details?.causes ?? []
      const told = Object.fromEntries(causes.flatMap((c) => (c.field ? [[c.field, c.message]] : [])))
      assert.deepEqual(
        [told['phase'], told['apiService'], told['attempts'], told['traceID'], answer.json<Status>().reason],
        [phase, 'v1.raw.example.com', String(row.attempts ?? 1), TRACE, REASONS[code]],
      )
      // Clients of client-go obey it ten times: it stands only where a moment helps.
      const mayPassSoon = code === 429 || row.name === 'nobody listens'
      if (!mayPassSoon) assert.equal(answer.headers['retry-after'], undefined)
      // Where a backend stands is nobody's business.
      const hidden = await stranger
        .get(path, { headers: { accept: 'text/html' }, signal: AbortSignal.timeout(2_000) })
        .catch(() => undefined)
      if (hidden) {
        assert.equal(hidden.headers['content-type'], 'application/json')
        assert.doesNotMatch(
          hidden.text,
          /nowhere\.crt|raw-ca|127\.0\.0\.1|169\.254|2852039166|2130706433|100::1|nowhere\.invalid|:\d{4,5}\b/,
        )
      }
    })
  }
  assert.equal(rows.length, 29)

  test('it comes in the encoding that was asked for, and says when to try again', async () => {
    await putPolicy(portico, policyOf({ url: 'https://127.0.0.1:1', tls: RAW_TLS }, {}))
    let refused = await portico.admin.get(path)
    await until('nobody listens', async () => {
      refused = await portico.admin.get(path)
      return refused.text.includes('connection refused')
    })
    const { headers, ...answer } = refused
    assert.equal(headers['retry-after'], String(answer.json<Status>().details?.retryAfterSeconds))
    assert.ok(Number(headers['retry-after']) > 0)
    const binary = await portico.admin.get(path, { headers: { accept: 'application/vnd.kubernetes.protobuf' } })
    assert.equal(binary.headers['content-type'], 'application/vnd.kubernetes.protobuf')
    assert.equal(binary.bytes.subarray(0, 4).toString('latin1'), 'k8s\0')
    assert.ok(binary.bytes.includes('connection refused'))
  })
})

function policyOf(backend: Partial<PolicyBackend>, more: object): Omit<BackendPolicySpec, 'targets'> {
  return {
    backends: [{ name: 'default', ...backend }],
    circuitBreaker: { disabled: true },
    // It stays available, whatever requests meet.
    probe: { failureThreshold: 100 },
    ...more,
  }
}

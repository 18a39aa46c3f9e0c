/** What becomes of an APIService whose backend is wrong in one way: the condition and the answer that kube-aggregator was recorded with. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type Server, createServer as createHttp } from 'node:http'
import { createServer as createHttps } from 'node:https'
import { type Socket, type Server as TcpServer, createServer as createTcp } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { untilCondition } from '../harness/backends.ts'
import { type DifferenceRow, readDifferences } from '../harness/differences.ts'
import { freePort } from '../harness/prometheus.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

interface Entry {
  readonly name: string
  readonly condition: { readonly status: string; readonly reason: string; readonly message: string }
  readonly answer: { readonly status: number; readonly text?: string }
}
const FILE = 'availability'
const { entries } = JSON.parse(
  readFileSync(new URL('../../fixtures/recorded/answers/availability.json', import.meta.url), 'utf8'),
) as { entries: Entry[] }
const NAMESPACE = 'bench'
const rows = readDifferences().filter((r) => r.file === FILE)
const used = new Set<DifferenceRow>()

/** What stands behind each name. A number: every answer has this status. */
const BEHIND: Readonly<Record<string, number | 'plain' | 'hole' | 'close' | 'nothing'>> = {
  'a-404': 404,
  'a-500': 500,
  'a-503': 503,
  'a-302': 302,
  'a-403': 403,
  'a-plain': 'plain',
  'a-hole': 'hole',
  'a-close': 'close',
  'a-down': 'nothing',
}
const SLICES: Readonly<Record<string, object>> = {
  'a-empty': { endpoints: [] },
  'a-notready': { endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready: false } }] },
  'a-otherport': { ports: [{ name: 'other', port: 1, protocol: 'TCP' }] },
}
/** Reasons that differ; the rows of the table say why. */
const OURS: Readonly<Record<string, string>> = {
  'a-otherca': 'FailedDiscoveryCheck',
  'a-wrongname': 'FailedDiscoveryCheck',
}

describe('recorded availability', { concurrency: true }, () => {
  let portico: TestServer
  const servers: (Server | TcpServer)[] = []
  const sockets = new Set<Socket>()
  before(async () => {
    portico = await startTestServer()
    await portico.admin.post('/api/v1/namespaces', { metadata: { name: NAMESPACE } })
  })
  after(async () => {
    await portico.stop()
    for (const socket of sockets) socket.destroy()
    for (const server of servers) server.close()
  })

  for (const { name, condition, answer } of entries) {
    test(`${name}: ${condition.reason}`, async () => {
      const port = await listen(name)
      await register(name, port)
      const group = `${name}.av.example.com`
      const given = await untilCondition(portico, `v1.${group}`, (c) => c?.reason === (OURS[name] ?? condition.reason))
      const object = await portico.admin.get(`/apis/${group}/v1/namespaces/default/things/one`)
      const differences: string[] = []
      const compare = (want: unknown, have: unknown): void => {
        if (want !== have) differences.push(`${String(want)}\n  -> ${String(have)}`)
      }
      compare(condition.status, given.status)
      compare(condition.message, given.message.replaceAll(/(127\.0\.0\.1|localhost):\d+/g, 'ADDRESS'))
      compare(answer.status, object.status)
      if (answer.text !== undefined) compare(answer.text.trim(), object.json<{ message: string }>().message)
      const row = rows.find((r) => r.matches(name))
      if (differences.length > 0 && row?.status === object.status) used.add(row)
      else assert.deepEqual(differences, [])
    })
  }

  async function listen(name: string): Promise<number> {
    const what = BEHIND[name]
    if (what === 'nothing') return freePort()
    const names = [name === 'a-wrongname' ? 'wrong.example.com' : `${name}.${NAMESPACE}.svc`]
    const status = typeof what === 'number' ? what : 200
    const server =
      what === 'hole' || what === 'close'
        ? createTcp((socket) => (what === 'close' ? socket.once('data', () => socket.destroy()) : undefined))
        : what === 'plain'
          ? createHttp((_q, s) => s.end('{}'))
          : createHttps(portico.pki.servingFor(name, names), (_q, s) => {
              s.writeHead(status, { 'content-type': 'application/json', location: '/' }).end('{}')
            })
    servers.push(server)
    server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => {})))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as { port: number }).port
  }

  async function register(name: string, port: number): Promise<void> {
    const group = `${name}.av.example.com`
    const ca = name === 'a-otherca' ? portico.pki.frontProxyCA() : portico.pki.ca()
    if (name !== 'a-nosvc') await make(`/api/v1/namespaces/${NAMESPACE}/services`, serviceOf(name, port))
    if (name !== 'a-noeps' && name !== 'a-ext') {
      await make(`/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`, {
        metadata: { name, labels: { 'kubernetes.io/service-name': name } },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['192.0.2.1'] }],
        ports: [{ name: 'https', port, protocol: 'TCP' }],
        ...SLICES[name],
      })
    }
    await make('/apis/apiregistration.k8s.io/v1/apiservices', {
      metadata: { name: `v1.${group}` },
      spec: {
        group,
        version: 'v1',
        groupPriorityMinimum: 1000,
        versionPriority: 15,
        service: { namespace: NAMESPACE, name, port: name === 'a-port' ? 1001 : port },
        caBundle: Buffer.from(ca.cert).toString('base64'),
      },
    })
  }

  async function make(path: string, body: object): Promise<void> {
    const made = await portico.admin.post(path, body)
    assert.equal(made.status, 201, made.text)
  }
})

function serviceOf(name: string, port: number): object {
  if (name === 'a-ext') return { metadata: { name }, spec: { type: 'ExternalName', externalName: 'localhost' } }
  const clusterIP = name === 'a-headless' ? 'None' : '127.0.0.1'
  return { metadata: { name }, spec: { clusterIP, ports: [{ name: 'https', port }] } }
}

test('every row about availability still is a difference', () => {
  assert.deepEqual(
    rows.filter((r) => !used.has(r)).map((r) => r.entry),
    [],
  )
})

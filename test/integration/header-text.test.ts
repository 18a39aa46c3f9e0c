/** Header values are UTF-8: names beyond ASCII arrive as they are, at rules, webhooks and backends, over both protocols. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import https from 'node:https'
import type { IncomingMessage } from 'node:http'
import { after, before, describe, test } from 'node:test'
import type { HeaderList } from '../../src/http/exchange.ts'
import { textOfValue, valueOfText } from '../../src/http/header-list.ts'
import {
  answerText,
  policyOf,
  RAW_PATH,
  type RawBackend,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { type ReviewWebhook, startReviewWebhook } from '../harness/review-webhook.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

const NAME = 'Jürgen 漢字 😀'
const GROUPS = ['größe', 'ñandú', 'ÿ']
const UID = 'u-é'
const SCOPE = 'привет'

test('a value and its text: each is the other, and bytes that are no UTF-8 are no text', () => {
  for (const text of ['', 'plain', 'é', 'ÿ', NAME, SCOPE, '\ufeffx']) {
    assert.equal(textOfValue(valueOfText(text)), text)
    assert.ok(Array.from(valueOfText(text)).every((c) => c <= '\u00ff'))
  }
  for (const bytes of ['\u00ff', 'a\u00c3', '\u00c0\u0080', '\u00ed\u00a0\u0080'])
    assert.equal(textOfValue(bytes), undefined)
})

interface Answer {
  readonly status: number
  readonly text: string
  readonly warning: string
}
type Identity = { readonly cert: string; readonly key: string }

describe('texts in headers', { timeout: 60_000 }, () => {
  let portico: TestServer
  let backend: RawBackend
  let webhook: ReviewWebhook
  let seen: HeaderList = []
  before(async () => {
    webhook = await startReviewWebhook(() => ({ allowed: true }))
    portico = await startTestServer([
      '--authorization-mode=Webhook',
      `--authorization-webhook-config-file=${webhook.kubeconfig}`,
      '--authorization-webhook-version=v1',
    ])
    backend = await startRawBackend(portico)
    await registerRaw(portico, policyOf([backend]))
    backend.handler = (request, response) => {
      seen = request.rawHeaders
      answerText('{}')(request, response)
    }
  })
  after(async () => {
    await portico.stop()
    await backend.close()
    await webhook[Symbol.asyncDispose]()
  })

  /** Both clients write the characters of a value as bytes. */
  const clients: Record<string, (identity: Identity, path: string, fields: HeaderList) => Promise<Answer>> = {
    'HTTP/1.1': async (identity, path, fields) => {
      const { port } = portico.server
      const method = path.includes('review') ? 'POST' : 'GET'
      const headers = ['Host', 'x', 'Content-Type', 'application/json', ...fields]
      const body = method === 'POST' ? Buffer.from('{}') : undefined
      if (body) headers.push('Content-Length', String(body.length))
      const request = https.request({
        port,
        host: '127.0.0.1',
        ca: portico.pki.ca().cert,
        ...identity,
        agent: false,
        method,
        path,
        headers,
      })
      request.end(body)
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      let text = ''
      for await (const chunk of response) text += chunk
      return { status: response.statusCode!, text, warning: response.headers['warning'] ?? '' }
    },
    'HTTP/2': async (identity, path, fields) => {
      const session = http2.connect(`https://localhost:${portico.server.port}`, {
        ca: portico.pki.ca().cert,
        ...identity,
      })
      const method = path.includes('review') ? 'POST' : 'GET'
      const stream = session.request([
        ':method',
        method,
        ':path',
        path,
        'content-type',
        'application/json',
        ...fields.map((field, i) => (i % 2 === 0 ? field.toLowerCase() : field)),
      ])
      stream.end(method === 'POST' ? '{}' : undefined)
      const [head] = (await once(stream, 'response')) as [Record<string, string>]
      let text = ''
      for await (const chunk of stream) text += chunk
      session.destroy()
      return { status: Number(head[':status']), text, warning: head['warning'] ?? '' }
    },
  }
  const fieldsOf = (prefix: string, value: (text: string) => string): string[] => [
    `${prefix}User`,
    value(NAME),
    `${prefix}Uid`,
    value(UID),
    `${prefix}Extra-Scopes`,
    value(SCOPE),
    ...GROUPS.flatMap((group) => [`${prefix}Group`, value(group)]),
  ]
  const all = (name: string): string[] =>
    seen.flatMap((field, i) =>
      i % 2 === 0 && field.toLowerCase() === name ? [textOfValue(seen[i + 1]!) ?? 'no UTF-8'] : [],
    )

  for (const [protocol, ask] of Object.entries(clients)) {
    for (const [prefix, identity] of [
      ['Impersonate-', () => portico.pki.admin()],
      ['X-Remote-', () => portico.pki.frontProxyClient()],
    ] as const) {
      test(`${protocol}, ${prefix}*: at ourselves, at the webhook, at the backend`, async () => {
        const fields = fieldsOf(prefix, valueOfText)
        const review = await ask(identity(), '/apis/authentication.k8s.io/v1/selfsubjectreviews', fields)
        assert.equal(review.status, 201, review.text)
        const { userInfo } = (JSON.parse(review.text) as { status: { userInfo: Record<string, unknown> } }).status
        assert.deepEqual(userInfo, {
          username: NAME,
          uid: UID,
          groups: [...GROUPS, 'system:authenticated'],
          extra: { scopes: [SCOPE] },
        })
        webhook.asked.length = 0
        assert.equal(
          (await ask(identity(), `${RAW_PATH}/things/${protocol.at(-1)}${prefix.length}`, fields)).status,
          200,
        )
        const spec = webhook.asked.at(-1)!.spec
        assert.deepEqual([spec['user'], spec['uid'], spec['extra']], [NAME, UID, { scopes: [SCOPE] }])
        assert.deepEqual(spec['groups'], [...GROUPS, 'system:authenticated'])
        assert.deepEqual(
          [all('x-remote-user'), all('x-remote-uid'), all('x-remote-extra-scopes')],
          [[NAME], [UID], [SCOPE]],
        )
        assert.deepEqual(all('x-remote-group'), [...GROUPS, 'system:authenticated'])
      })
      test(`${protocol}, ${prefix}*: bytes that are no UTF-8 name nobody`, async () => {
        const answer = await ask(identity(), `${RAW_PATH}/things`, [`${prefix}User`, 'J\u00fcrgen'])
        assert.equal(answer.status, prefix === 'Impersonate-' ? 400 : 401, answer.text)
        const group = await ask(identity(), `${RAW_PATH}/things`, [`${prefix}User`, 'x', `${prefix}Group`, '\u00ff'])
        assert.equal(group.status, prefix === 'Impersonate-' ? 400 : 401, group.text)
      })
    }
  }
})

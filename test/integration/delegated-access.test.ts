/** Authentication and authorization that another API server, or a webhook, decides. */
import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeCA, makeCertificate } from '../../src/http/certificates.ts'
import type { HttpClient } from '../harness/http-client.ts'
import { type ReviewWebhook, startReviewWebhook, webhookKubeconfig } from '../harness/review-webhook.ts'
import { type TestServer, startTestServer } from '../harness/server.ts'

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
const bearer = (token: string): { headers: Record<string, string> } => ({
  headers: { authorization: `Bearer ${token}` },
})

async function whoIs(server: TestServer, token: string): Promise<unknown> {
  const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }
  const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
  const answer = await server.anonymous.post(path, review, bearer(token))
  if (answer.status !== 201) return answer.status
  return answer.json<{ status: { userInfo: unknown } }>().status.userInfo
}
async function metric(server: TestServer, line: RegExp): Promise<number> {
  return Number(line.exec((await server.admin.get('/metrics')).text)?.[1] ?? 0)
}

test('tokens that only the other API server knows', async () => {
  const tokens = join(tmpdir(), `portico-tokens-${process.pid}.csv`)
  writeFileSync(tokens, 'secret,jane,7,"dev,ops"\n', { mode: 0o600 })
  await using authority = await startTestServer([`--token-auth-file=${tokens}`])
  await using server = await startTestServer([`--authentication-kubeconfig=${authority.kubeconfig}`])
  const jane = { username: 'jane', uid: '7', groups: ['dev', 'ops', 'system:authenticated'] }
  assert.deepEqual(await whoIs(server, 'secret'), jane)
  assert.deepEqual(await whoIs(server, 'secret'), jane)
  assert.equal(await whoIs(server, 'wrong'), 401)
  assert.equal(await metric(server, /^apiserver_delegated_authn_request_total\{code="201"\} (\d+)/m), 2)
  assert.equal(await metric(server, /^authentication_token_cache_request_total\{status="hit"\} (\d+)/m), 1)
  assert.equal(await metric(server, /^authentication_token_cache_fetch_total\{status="ok"\} (\d+)/m), 2)
})

test('a token is refused where nobody can be asked about it, and others are served', async () => {
  await using webhook = await startReviewWebhook(() => 403)
  await using server = await startTestServer([`--authentication-token-webhook-config-file=${webhook.kubeconfig}`])
  const refused = await server.anonymous.get(CONFIG_MAPS, bearer('any'))
  assert.equal(refused.status, 401)
  assert.equal(refused.json<{ message: string }>().message, 'Unauthorized')
  assert.equal(webhook.asked[0]!.apiVersion, 'authentication.k8s.io/v1beta1')
  assert.equal((await server.admin.get(CONFIG_MAPS)).status, 200)
})

test('who answers about tokens must prove itself', async (t) => {
  const hour = { notBeforeMs: Date.now() - 3_600_000, notAfterMs: Date.now() + 3_600_000 }
  const [ca, otherCA] = [makeCA({ commonName: 'ca', ...hour }), makeCA({ commonName: 'other', ...hour })]
  const named = makeCertificate({ commonName: 'a', names: ['127.0.0.1'], ...hour }, ca)
  const nameless = makeCertificate({ commonName: '127.0.0.1', ...hour }, ca)
  const cases = [
    { name: 'the right CA', pair: named, trusts: ca, want: 200 },
    { name: 'another CA', pair: named, trusts: otherCA, want: 401 },
    { name: 'a certificate without names', pair: nameless, trusts: ca, want: 401, missing: 1 },
  ]
  for (const { name, pair, trusts, want, missing = 0 } of cases) {
    await t.test(name, async () => {
      const known = { authenticated: true, user: { username: 'jane' } }
      await using webhook = await startReviewWebhook(() => known, { pair, ca: trusts.cert })
      await using server = await startTestServer([
        '--authorization-mode=AlwaysAllow',
        `--authentication-token-webhook-config-file=${webhook.kubeconfig}`,
      ])
      assert.equal((await server.anonymous.get(CONFIG_MAPS, bearer('any'))).status, want)
      assert.equal(await metric(server, /^apiserver_webhooks_x509_missing_san_total (\d+)/m), missing)
    })
  }
})

test('a hundred requests with a new token ask once', async () => {
  await using webhook = await startReviewWebhook(() => ({ authenticated: true, user: { username: 'jane' } }))
  await using server = await startTestServer([`--authentication-token-webhook-config-file=${webhook.kubeconfig}`])
  const users = await Promise.all(Array.from({ length: 100 }, () => whoIs(server, 'new')))
  assert.ok(users.every((u) => (u as { username: string }).username === 'jane'))
  assert.equal(webhook.asked.length, 1)
})

const decisions: readonly { name: string; status: object | number; code: number; says?: RegExp }[] = [
  { name: 'allowed', status: { allowed: true }, code: 200 },
  { name: 'denied', status: { allowed: false, denied: true, reason: 'not today' }, code: 403, says: /: not today$/ },
  { name: 'no opinion', status: { allowed: false, reason: 'no rule' }, code: 403, says: /: no rule$/ },
  { name: 'both', status: { allowed: true, denied: true }, code: 500, says: /could not be authorized/ },
  { name: 'a refusal to answer', status: 403, code: 500, says: /could not be authorized/ },
  { name: 'an answer without a status', status: {}, code: 403 },
]
test('what the authorization webhook answers is what callers get', async (t) => {
  await using webhook = await startReviewWebhook(() => 500)
  await using server = await startTestServer([
    '--authorization-mode=Webhook',
    `--authorization-webhook-config-file=${webhook.kubeconfig}`,
    '--authorization-webhook-cache-unauthorized-ttl=0s',
    '--authorization-webhook-cache-authorized-ttl=0s',
  ])
  const jane = server.as('jane', 'dev')
  for (const { name, status, code, says } of decisions) {
    await t.test(name, async () => {
      webhook.answer = () => status
      const answer = await jane.get(CONFIG_MAPS)
      assert.equal(answer.status, code, answer.text)
      if (says) assert.match(answer.json<{ message: string }>().message, says)
    })
  }
  await t.test('the question is whole', () => {
    const { extra, ...spec } = webhook.asked[0]!.spec
    assert.deepEqual(Object.keys(extra as object), ['authentication.kubernetes.io/credential-id'])
    assert.deepEqual(
      { ...webhook.asked[0]!, spec },
      {
        kind: 'SubjectAccessReview',
        apiVersion: 'authorization.k8s.io/v1beta1',
        metadata: { creationTimestamp: null },
        spec: {
          resourceAttributes: { namespace: 'default', verb: 'list', version: 'v1', resource: 'configmaps' },
          user: 'jane',
          group: ['dev', 'system:authenticated'],
        },
        status: { allowed: false },
      },
    )
  })
  await t.test('the question says to what a list is limited', async () => {
    webhook.answer = () => ({ allowed: true })
    for (const [query, selectors] of [
      [
        'fieldSelector=metadata.name!=a,metadata.namespace=b',
        {
          fieldSelector: [
            ['metadata.name', 'NotIn', ['a']],
            ['metadata.namespace', 'In', ['b']],
          ],
        },
      ],
      [
        'labelSelector=a in (y,x),b,!c,d!=1,e>5',
        {
          labelSelector: [
            ['a', 'In', ['x', 'y']],
            ['b', 'Exists'],
            ['c', 'DoesNotExist'],
            ['d', 'NotIn', ['1']],
          ],
        },
      ],
      ['labelSelector=,,', {}],
      ['', {}],
    ] as const) {
      await jane.get(`${CONFIG_MAPS}?${encodeURI(query)}`)
      const { namespace, verb, version, resource, ...more } = webhook.asked.at(-1)!.spec[
        'resourceAttributes'
      ] as Record<string, object>
      const want = Object.entries(selectors).map(([name, list]) => [
        name,
        { requirements: list.map(([key, operator, values]) => ({ key, operator, ...(values ? { values } : {}) })) },
      ])
      assert.deepEqual(more, Object.fromEntries(want), query)
      assert.ok(namespace && verb && version && resource)
    }
  })
  await t.test('administrators are served whatever it says', async () => {
    webhook.answer = () => 500
    assert.equal((await server.admin.get(CONFIG_MAPS)).status, 200)
  })
})

test('decisions of another API server, behind the fixed rules, remembered', async () => {
  await using authority = await startTestServer(['--authorization-mode=AlwaysAllow'])
  await using server = await startTestServer([`--authorization-kubeconfig=${authority.kubeconfig}`])
  const jane = server.as('jane')
  const asked = (): Promise<number> =>
    metric(server, /^apiserver_authorization_webhook_evaluations_total\{name="default",result="success"\} (\d+)/m)
  assert.equal((await jane.get('/version')).status, 200)
  assert.equal(await asked(), 0)
  for (let i = 0; i < 3; i++) assert.equal((await jane.get(CONFIG_MAPS)).status, 200)
  assert.equal(await asked(), 1)
  assert.equal(await metric(server, /^apiserver_authorization_decisions_total\{.*decision="allowed"\} (\d+)/m), 3)
})

test('a kubeconfig that changes is followed, and what the old webhook said is forgotten', async () => {
  await using before = await startReviewWebhook(() => ({ allowed: true }))
  await using after = await startReviewWebhook(() => ({ allowed: false }))
  await using server = await startTestServer([
    '--authorization-mode=Webhook',
    `--authorization-webhook-config-file=${before.kubeconfig}`,
  ])
  const jane = server.as('jane')
  assert.equal((await jane.get(CONFIG_MAPS)).status, 200)
  replace(before, webhookKubeconfig(after.url))
  await untilStatus(jane, 403)
  replace(before, 'no kubeconfig at all')
  assert.equal((await jane.get('/api/v1/namespaces/other/configmaps')).status, 403)
})

function replace(webhook: ReviewWebhook, text: string): void {
  writeFileSync(`${webhook.kubeconfig}.next`, text)
  renameSync(`${webhook.kubeconfig}.next`, webhook.kubeconfig)
}
async function untilStatus(client: HttpClient, status: number): Promise<void> {
  const deadlineMs = Date.now() + 10_000
  while ((await client.get(CONFIG_MAPS)).status !== status) assert.ok(Date.now() < deadlineMs, 'nothing changed')
}

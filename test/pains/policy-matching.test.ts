/** Whom a policy is for, by labels of the APIService, and which requests its routes take, by the caller's groups and the verb. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendPolicy } from '../../src/api/backend-policy.ts'
import {
  answerText,
  namedBackend,
  putPolicy,
  RAW_API_SERVICE,
  RAW_PATH,
  registerRaw,
  startRawBackend,
} from '../harness/raw-backend.ts'
import { startTestServer } from '../harness/server.ts'
import { until } from '../harness/until.ts'

const PATH = `${RAW_PATH}/things`
const APISERVICE = `/apis/apiregistration.k8s.io/v1/apiservices/${RAW_API_SERVICE}`

test('a policy that selects by label holds while a live APIService has the label, and no longer', async () => {
  await using portico = await startTestServer()
  await using plain = await startRawBackend(portico, { host: '127.0.0.1', handler: answerText('"plain"') })
  await using labelled = await startRawBackend(portico, { host: '127.0.0.2', handler: answerText('"labelled"') })
  await registerRaw(portico, { backends: [namedBackend('default', plain)] })
  // It comes first where it selects: by priority, though a selector is the widest of targets.
  const selecting = {
    targets: [{ selector: { matchLabels: { tier: 'new' }, matchExpressions: [{ key: 'stage', operator: 'Exists' }] } }],
    priority: 1,
    backends: [namedBackend('default', labelled)],
  }
  await putPolicy(portico, selecting as object, 'selecting')
  const label = async (labels: Record<string, string | null>): Promise<void> => {
    const answer = await portico.admin.patch(APISERVICE, 'merge', { metadata: { labels } })
    assert.equal(answer.status, 200, answer.text)
  }
  const served = async (): Promise<string> => (await portico.admin.get(PATH)).text
  const POLICIES = '/apis/gateway.portico.dev/v1alpha1/backendpolicies'
  const statusOf = async (name: string): Promise<string> =>
    JSON.stringify((await portico.admin.get(`${POLICIES}/${name}`)).json<BackendPolicy>().status?.targets ?? [])
  const half = { targets: [{ selector: { matchLabels: { tier: 'new' } } }], bulkhead: { maxInFlight: 100 } }
  await putPolicy(portico, half as object, 'half')
  await label({ tier: 'new' })
  await until('the label is known', async () => (await statusOf('half')).includes(RAW_API_SERVICE))
  assert.deepEqual([await statusOf('selecting'), await served()], ['[]', '"plain"'], 'one of two conditions')
  await label({ stage: 'any' })
  await until('the label leads elsewhere', async () => (await served()) === '"labelled"')
  await until('it is told', async () => (await statusOf('selecting')).includes(RAW_API_SERVICE))
  await label({ tier: 'old' })
  await until('another value does not', async () => (await served()) === '"plain"')
  await label({ tier: 'new' })
  await until('the right one does again', async () => (await served()) === '"labelled"')
  await label({ tier: null })
  await until('without it, all is as before', async () => (await served()) === '"plain"')
  await until('that is told, too', async () => (await statusOf('selecting')) === '[]')
})

test('routes take requests by group of the caller and by verb; of one match, all conditions have to hold', async () => {
  await using portico = await startTestServer(['--authorization-mode=AlwaysAllow'])
  const start = (name: string, i: number) =>
    startRawBackend(portico, { host: `127.0.0.${(i % 3) + 1}`, handler: answerText(JSON.stringify(name)) })
  await using rest = await start('rest', 0)
  await using team = await start('team', 1)
  await using writes = await start('writes', 2)
  await using both = await start('both', 3)
  const to = (backend: string) => ({ to: [{ backend }] })
  await registerRaw(portico, {
    backends: [
      namedBackend('default', rest),
      namedBackend('team', team),
      namedBackend('writes', writes),
      namedBackend('both', both),
    ],
    routes: [
      { matches: [{ groups: ['ops'], verbs: ['list', 'deletecollection'] }], ...to('both') },
      { matches: [{ groups: ['team', 'other-team'] }], ...to('team') },
      { matches: [{ verbs: ['create', 'update'] }, { verbs: ['watch'] }], ...to('writes') },
    ],
  })
  const [jane, ops] = [portico.as('jane', 'dev', 'team'), portico.as('root', 'ops')]
  const joe = portico.as('joe', 'dev', 'teams')
  const rows: readonly [by: typeof joe, method: string, path: string, want: string][] = [
    [joe, 'GET', PATH, 'rest'],
    [joe, 'GET', `${PATH}/one`, 'rest'],
    [jane, 'GET', PATH, 'team'],
    [jane, 'POST', PATH, 'team'],
    [joe, 'POST', PATH, 'writes'],
    [joe, 'PUT', `${PATH}/one`, 'writes'],
    [joe, 'PATCH', `${PATH}/one`, 'rest'],
    [joe, 'DELETE', `${PATH}/one`, 'rest'],
    [joe, 'GET', `${PATH}?watch=1`, 'writes'],
    [ops, 'GET', PATH, 'both'],
    [ops, 'DELETE', PATH, 'both'],
    [ops, 'GET', `${PATH}/one`, 'rest'],
    [ops, 'POST', PATH, 'writes'],
    [joe, 'DELETE', PATH, 'rest'],
  ]
  const found: string[] = []
  for (const [by, method, path] of rows) {
    const answer = await by.request(method, path, method === 'GET' || method === 'DELETE' ? {} : { body: '{}' })
    found.push(`${method} ${path}: ${answer.text}`)
  }
  assert.deepEqual(
    found,
    rows.map(([, method, path, want]) => `${method} ${path}: "${want}"`),
  )
})

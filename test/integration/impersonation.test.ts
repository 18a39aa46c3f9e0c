/** Requests as somebody else: what has to be allowed, as whom they are served then, and what is refused. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Attributes } from '../../src/access/authorization/authorizer.ts'
import { impersonationFilter } from '../../src/access/impersonation/filter.ts'
import type { UserInfo } from '../../src/api/meta.ts'
import { StatusError } from '../../src/api/status-error.ts'
import { FakeClock } from '../../src/lib/fake-clock.ts'
import { fakeRequest } from '../harness/fake-exchange.ts'
import type { HttpClient } from '../harness/http-client.ts'
import { startTestServer, type TestServer } from '../harness/server.ts'

const CALLER = { name: 'caller', groups: ['own'] }
/** @param refused what is not allowed, as `groups b`. */
async function asked(
  rawHeaders: readonly string[],
  refused = '',
): Promise<{ asked: string[]; served: UserInfo | undefined; error: unknown }> {
  const questions: Attributes[] = []
  const text = (a: Attributes): string =>
    [a.apiGroup, a.resource, a.subresource, a.namespace, a.name].filter((part) => part !== '').join(' ')
  const filter = impersonationFilter({
    name: 'recording',
    authorize: (a) => {
      questions.push(a)
      return { kind: text(a) === refused ? 'no-opinion' : 'allow', reason: '' }
    },
  })
  const { ctx } = fakeRequest({ rawHeaders }, new FakeClock())
  ctx.user = CALLER
  let [served, error]: [UserInfo | undefined, unknown] = [undefined, undefined]
  try {
    await filter.wrap(() => void (served = ctx.user))(ctx)
  } catch (e) {
    error = e
  }
  for (const a of questions) assert.deepEqual([a.user, a.verb, a.isResourceRequest], [CALLER, 'impersonate', true])
  return { asked: questions.map(text), served, error }
}

const rows: readonly { name: string; headers: string[]; asks: string[]; user: UserInfo }[] = [
  { name: 'nobody else', headers: ['X-Other', 'a', 'Impersonate-', 'a'], asks: [], user: CALLER },
  {
    name: 'a user',
    headers: ['Impersonate-User', 'jane'],
    asks: ['users jane'],
    user: { name: 'jane', groups: ['system:authenticated'] },
  },
  {
    name: 'a user with everything, in any letter case',
    headers: (
      'IMPERSONATE-USER jane impersonate-group a Impersonate-Group b Impersonate-Uid 7 ' +
      'Impersonate-Extra-Acme.com%2FProject x impersonate-extra-acme.com%2fproject y'
    ).split(' '),
    asks: [
      'users jane',
      'groups a',
      'groups b',
      'authentication.k8s.io userextras acme.com/project x',
      'authentication.k8s.io userextras acme.com/project y',
      'authentication.k8s.io uids 7',
    ],
    user: {
      name: 'jane',
      groups: ['a', 'b', 'system:authenticated'],
      uid: '7',
      extra: new Map([['acme.com/project', ['x', 'y']]]),
    },
  },
  {
    name: 'a service account, with the groups that it has',
    headers: ['Impersonate-User', 'system:serviceaccount:ns:sa'],
    asks: ['serviceaccounts ns sa'],
    user: {
      name: 'system:serviceaccount:ns:sa',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
    },
  },
  {
    name: 'a service account with groups of its own',
    headers: ['Impersonate-User', 'system:serviceaccount:ns:sa', 'Impersonate-Group', 'g'],
    asks: ['serviceaccounts ns sa', 'groups g'],
    user: { name: 'system:serviceaccount:ns:sa', groups: ['g', 'system:authenticated'] },
  },
  {
    name: 'what only looks like a service account',
    headers: ['Impersonate-User', 'system:serviceaccount:a:b:c'],
    asks: ['users system:serviceaccount:a:b:c'],
    user: { name: 'system:serviceaccount:a:b:c', groups: ['system:authenticated'] },
  },
  {
    name: 'nobody in particular',
    headers: ['Impersonate-User', 'system:anonymous'],
    asks: ['users system:anonymous'],
    user: { name: 'system:anonymous', groups: ['system:unauthenticated'] },
  },
  {
    name: 'one who is not authenticated',
    headers: ['Impersonate-User', 'jane', 'Impersonate-Group', 'system:unauthenticated'],
    asks: ['users jane', 'groups system:unauthenticated'],
    user: { name: 'jane', groups: ['system:unauthenticated'] },
  },
]
describe('impersonation', () => {
  for (const { name, headers, asks, user } of rows) {
    test(`${name} is asked for each, and served as`, async () => {
      assert.deepEqual(await asked(headers), { asked: asks, served: user, error: undefined })
    })
    for (const refused of asks) {
      test(`${name}, of which "${refused}" is refused`, async () => {
        const found = await asked(headers, refused)
        assert.equal(found.served, undefined, 'nobody is served')
        assert.equal(found.asked.at(-1), refused)
        assert.ok(found.error instanceof StatusError && found.error.code === 403, String(found.error))
      })
    }
  }

  test('what cannot be authorized is served to nobody', async () => {
    const filter = impersonationFilter({
      name: 'broken',
      authorize: () => ({ kind: 'no-opinion', reason: '', error: new Error('away') }),
    })
    const { ctx } = fakeRequest({ rawHeaders: ['Impersonate-User', 'jane'] }, new FakeClock())
    ctx.user = CALLER
    await assert.rejects(async () => filter.wrap(() => assert.fail('served'))(ctx), { code: 500 })
    assert.equal(ctx.user, CALLER)
  })

  test('the text of what lacks a user names all that was asked for', async () => {
    const headers = ['Impersonate-Group', 'g', 'Impersonate-Uid', '7', 'Impersonate-Extra-k', 'x']
    const { error } = await asked(headers)
    assert.equal(
      (error as Error).message,
      'requested [{Group  g    } {UserExtra  x  authentication.k8s.io/v1  k} {UID  7  authentication.k8s.io/v1  }] without impersonating a user',
    )
    const { error: groupOnly } = await asked(headers.slice(0, 2))
    assert.equal((groupOnly as Error).message, 'requested [{Group  g    }] without impersonating a user')
  })

  const wrong: Record<string, string[]> = {
    'a group without a user': ['Impersonate-Group', 'a'],
    'a uid without a user': ['Impersonate-Uid', '7'],
    'an extra without a user': ['Impersonate-Extra-a', 'x'],
    'an empty user': ['Impersonate-User', ''],
    'two users': ['Impersonate-User', 'jane', 'impersonate-user', 'joe'],
    'two uids': ['Impersonate-User', 'jane', 'Impersonate-Uid', '1', 'Impersonate-Uid', '2'],
    'an extra without a key': ['Impersonate-User', 'jane', 'Impersonate-Extra-', 'x'],
    'something that nobody knows': ['Impersonate-User', 'jane', 'Impersonate-Shoes', '42'],
  }
  for (const [name, headers] of Object.entries(wrong)) {
    test(`${name} is a bad request, and nobody is asked`, async () => {
      const found = await asked(headers)
      assert.deepEqual([found.asked, found.served], [[], undefined])
      assert.ok(found.error instanceof StatusError && found.error.code === 400, String(found.error))
    })
  }
})

describe('impersonation, over the wire', () => {
  let portico: TestServer
  before(async () => {
    portico = await startTestServer()
  })
  after(() => portico.stop())
  const JANE = { 'Impersonate-User': 'jane', 'Impersonate-Group': ['dev', 'ops'] }
  const whoAmI = (client: HttpClient, headers: Record<string, string | string[]>) =>
    client.post('/apis/authentication.k8s.io/v1/selfsubjectreviews', {}, { headers })

  test('who may is served as the other, with no right of their own', async () => {
    const review = await whoAmI(portico.admin, JANE)
    assert.deepEqual(review.json<{ status: { userInfo: object } }>().status.userInfo, {
      username: 'jane',
      groups: ['dev', 'ops', 'system:authenticated'],
    })
    const list = await portico.admin.get('/api/v1/namespaces/default/configmaps', { headers: JANE })
    assert.deepEqual(
      [list.status, list.json<{ message: string }>().message],
      [
        403,
        'configmaps is forbidden: User "jane" cannot list resource "configmaps" in API group "" in the namespace "default"',
      ],
    )
  })

  test('who may not is refused before anything is done', async () => {
    for (const client of [portico.as('joe', 'dev'), portico.anonymous]) {
      const refused = await whoAmI(client, {
        'Impersonate-User': 'system:admin',
        'Impersonate-Group': 'system:masters',
      })
      assert.equal(refused.status, 403)
      assert.match(
        refused.text,
        /users \\"system:admin\\" is forbidden: User \\"(joe|system:anonymous)\\" cannot impersonate/,
      )
    }
  })
})

/** A Portico in front of another one that it may impersonate users of, without a front-proxy certificate of its own. */
import assert from 'node:assert/strict'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { addressOnly, type FrontedPair, startFrontedPair } from '../harness/fronted.ts'
import { installedKubectls, Kubectl } from '../harness/kubectl.ts'
import { missingProgram } from '../harness/programs.ts'
import { until } from '../harness/until.ts'

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps'
const skip = missingProgram('kubectl', 'kubernetes-client')

describe('in front of a server whose users may be impersonated', () => {
  let pair: FrontedPair
  let kubeconfig: string
  before(async () => {
    pair = await startFrontedPair({
      // Requests that only the front knows nothing against: what is refused, the cluster refuses.
      frontArgs: ({ admin, file }) => {
        kubeconfig = file('own.kubeconfig', readFileSync(admin, 'utf8'))
        return [
          '--authorization-mode=AlwaysAllow',
          `--token-auth-file=${join(dirname(kubeconfig), 'tokens.csv')}`,
          `--core-delegate-kubeconfig=${kubeconfig}`,
          '--core-delegate-identity=impersonate',
        ]
      },
    })
  })
  after(() => pair[Symbol.asyncDispose]())

  test('kubectl is told the same user and groups by both', { skip }, async () => {
    // 1.27 asks for a version of the review that is gone.
    const programs = (await installedKubectls()).filter((path) => !path.endsWith('.1.27'))
    for (const program of programs) {
      const told: string[] = []
      for (const { url, pki } of [pair.front, pair.cluster]) {
        await using kubectl = await Kubectl.create(program, kubeconfig)
        const ca = await kubectl.file('ca.crt', pki.ca().cert)
        const none = await kubectl.file('none', '{}')
        const args = ['--kubeconfig', none, '--server', url, '--token=jane-token', '--certificate-authority', ca]
        const whoami = await kubectl.run(['auth', 'whoami', '-o', 'jsonpath={.status.userInfo}', ...args])
        assert.equal(whoami.code, 0, `${kubectl.name} ${whoami.stderr}`)
        told.push(whoami.stdout)
      }
      assert.equal(told[0], told[1])
      assert.deepEqual(JSON.parse(told[0]!), {
        username: 'jane',
        uid: '7',
        groups: ['dev', 'system:authenticated'],
      })
    }
  })

  test('a caller without rights is refused by the cluster, an administrator is not', async () => {
    const { front, cluster } = pair
    const refused = await front.as('joe', 'dev').get(CONFIG_MAPS)
    assert.equal(refused.status, 403)
    assert.match(refused.text, /User \\"joe\\" cannot list resource \\"configmaps\\"/)
    const made = await front.admin.post(CONFIG_MAPS, { metadata: { name: 'made' } })
    assert.equal(made.status, 201, made.text)
    assert.equal((await cluster.admin.get(`${CONFIG_MAPS}/made`)).status, 200)
    assert.equal((await front.anonymous.get(CONFIG_MAPS)).status, 403)
  })

  test('a caller who brings Impersonate-* is who the front says, and no other', async () => {
    const { front } = pair
    const headers = { 'Impersonate-User': 'someone', 'Impersonate-Group': 'else' }
    const answer = await front.admin.post('/apis/authentication.k8s.io/v1/selfsubjectreviews', {}, { headers })
    const { username, groups } = answer.json<{ status: { userInfo: { username: string; groups: string[] } } }>().status
      .userInfo
    assert.deepEqual([username, groups], ['someone', ['else', 'system:authenticated']])
  })

  test('credentials that may not impersonate serve nobody', async () => {
    const { front, cluster } = pair
    const { clusters } = JSON.parse(addressOnly(cluster.url, cluster.pki.ca().cert)) as { clusters: object[] }
    writeFileSync(
      `${kubeconfig}.next`,
      JSON.stringify({ clusters, users: [{ name: 'jane', user: { token: 'jane-token' } }] }),
    )
    renameSync(`${kubeconfig}.next`, kubeconfig)
    let text = ''
    await until('the new credentials are used', async () => {
      const answer = await front.as('joe', 'dev').get('/api/v1/namespaces/default/secrets')
      text = answer.text
      return /User \\"jane\\" cannot impersonate/.test(text)
    }).catch((e: Error) => assert.fail(`${e.message}: ${text}`))
    assert.match(text, /users \\"joe\\" is forbidden: User \\"jane\\" cannot impersonate resource \\"users\\"/)
    assert.equal((await front.admin.get(CONFIG_MAPS)).status, 403)
  })
})

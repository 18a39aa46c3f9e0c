/** The commands of docs/fronting.md that prepare a cluster, as kubectl understands them. Nothing is created. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { installedKubectls, Kubectl } from '../harness/kubectl.ts'
import { missingProgram } from '../harness/programs.ts'
import { startTestServer } from '../harness/server.ts'
import { ROOT } from '../harness/tree-copy.ts'

interface Made {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly rules?: readonly { readonly apiGroups: string[]; readonly resources: string[]; readonly verbs: string[] }[]
  readonly roleRef?: { readonly name: string }
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace: string }[]
}

test('what the page on fronting has created in a cluster is what it says', {
  skip: missingProgram('kubectl', 'kubernetes-client'),
}, async () => {
  const page = readFileSync(join(ROOT, 'docs/fronting.md'), 'utf8')
  const commands = [...page.matchAll(/^kubectl (create .*)$/gm)].map((m) => m[1]!.split(' '))
  await using portico = await startTestServer()
  for (const program of await installedKubectls()) {
    await using kubectl = await Kubectl.create(program, portico.kubeconfig)
    const made: Made[] = []
    for (const args of commands) {
      const { code, stdout, stderr } = await kubectl.run([...args, '--dry-run=client', '-o', 'yaml'])
      assert.equal(code, 0, `${kubectl.name} ${args.join(' ')}: ${stderr}`)
      made.push(parse(stdout) as Made)
    }
    made.push(parse(/^```yaml\n([^`]*^kind: ClusterRole$[^`]*)^```$/m.exec(page)![1]!) as Made)
    const account = [{ kind: 'ServiceAccount', name: 'portico', namespace: 'kube-system' }]
    const bindings = made.filter((o) => o.kind === 'ClusterRoleBinding')
    assert.deepEqual(
      bindings.map((b) => b.roleRef!.name),
      ['system:auth-delegator', 'portico', 'portico-impersonator'],
    )
    for (const b of bindings) assert.deepEqual(b.subjects, account)
    const rules = made.flatMap((o) => o.rules ?? [])
    const may = rules.flatMap((r) =>
      r.resources.map((resource) => `${r.verbs.join()} ${resource}.${r.apiGroups.join()}`),
    )
    assert.deepEqual(may.toSorted(), [
      'get,list,watch endpointslices.discovery.k8s.io',
      'get,list,watch namespaces.',
      'get,list,watch services.',
      'impersonate *.authentication.k8s.io',
      'impersonate groups.',
      'impersonate serviceaccounts.',
      'impersonate users.',
    ])
  }
})

type Rule = NonNullable<Made['rules']>[number]

/** Source: RBAC's resourceMatches. An asterisk before the slash means any resource; one behind it means nothing. */
function allows(rules: readonly Rule[], verb: string, group: string, resource: string): boolean {
  const slash = resource.indexOf('/')
  const anyParent = slash < 0 ? undefined : `*${resource.slice(slash)}`
  return rules.some(
    (r) =>
      r.verbs.some((v) => v === '*' || v === verb) &&
      r.apiGroups.some((g) => g === '*' || g === group) &&
      r.resources.some((name) => name === '*' || name === resource || name === anyParent),
  )
}

test('the documented role lets every caller in, by the rules of RBAC', () => {
  const page = readFileSync(join(ROOT, 'docs/fronting.md'), 'utf8')
  const { rules } = parse(/^```yaml\n([^`]*^kind: ClusterRole$[^`]*)^```$/m.exec(page)![1]!) as Made
  const keys = ['credential-id', 'node-name', 'pod-name'].map((key) => `userextras/authentication.kubernetes.io/${key}`)
  for (const resource of ['users', 'groups', 'serviceaccounts'])
    assert.ok(allows(rules!, 'impersonate', '', resource), resource)
  for (const resource of ['uids', ...keys])
    assert.ok(allows(rules!, 'impersonate', 'authentication.k8s.io', resource), resource)
  assert.ok(!allows(rules!, 'get', '', 'secrets'))
  const old = [{ apiGroups: ['authentication.k8s.io'], resources: ['userextras/*'], verbs: ['impersonate'] }]
  assert.ok(!allows(old, 'impersonate', 'authentication.k8s.io', keys[0]!))
})

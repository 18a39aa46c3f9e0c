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
      'impersonate groups.',
      'impersonate serviceaccounts.',
      'impersonate uids.authentication.k8s.io',
      'impersonate userextras/*.authentication.k8s.io',
      'impersonate users.',
    ])
  }
})

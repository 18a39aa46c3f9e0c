/** A backend for a benchmark, by URL or by its endpoints: its CA, its BackendPolicy and its APIService. */
import type { HttpClient } from '../../test/harness/http-client.ts'

export interface Place {
  readonly address: string
  readonly port: number
}
const CA = { namespace: 'default', name: 'bench-ca' }
const TLS = { ca: [{ configMap: CA }] }
const POLICIES = '/apis/gateway.portico.dev/v1alpha1/backendpolicies'

/**
 * @param o.at a port of localhost, or endpoints.
 * @param o.path of a request that answers 200 once it is available; absent: nobody waits for it.
 */
export async function registerBackend(
  admin: HttpClient,
  o: {
    readonly group: string
    readonly at: number | readonly Place[]
    readonly ca: string
    readonly path?: string
  },
): Promise<void> {
  const { group, at, ca, path } = o
  await admin.post('/api/v1/namespaces/default/configmaps', { metadata: { name: CA.name }, data: { 'ca.crt': ca } })
  await admin.post(POLICIES, { metadata: { name: group }, spec: { targets: [{ group }], backends: [backendAt(at)] } })
  await admin.post('/apis/apiregistration.k8s.io/v1/apiservices', {
    metadata: { name: `v1.${group}` },
    spec: {
      group,
      version: 'v1',
      service: { namespace: 'default', name: 'bench' },
      groupPriorityMinimum: 1000,
      versionPriority: 15,
    },
  })
  for (let i = 0; path !== undefined && (await admin.get(path)).status !== 200; i++) {
    if (i > 100) throw new Error('the backend does not become available')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

export async function moveBackend(admin: HttpClient, group: string, at: readonly Place[]): Promise<void> {
  const { status, text } = await admin.patch(`${POLICIES}/${group}`, 'merge', { spec: { backends: [backendAt(at)] } })
  if (status !== 200) throw new Error(text)
}
export async function putCA(admin: HttpClient, ca: string): Promise<void> {
  const data = { 'ca.crt': ca }
  const { status, text } = await admin.patch(`/api/v1/namespaces/default/configmaps/${CA.name}`, 'merge', { data })
  if (status !== 200) throw new Error(text)
}

function backendAt(at: number | readonly Place[]): object {
  if (typeof at === 'number') return { name: 'default', url: `https://localhost:${at}`, tls: TLS }
  return { name: 'default', endpoints: at.map(({ address, port }) => ({ address, port })), tls: TLS }
}

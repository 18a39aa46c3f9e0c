/** A backend by URL for a benchmark: its CA, its BackendPolicy and its APIService. */
import type { HttpClient } from '../../test/harness/http-client.ts'

const CA = { namespace: 'default', name: 'bench-ca' }

/** @param path of a request that answers 200 once it is available; absent: nobody waits for it. */
export async function registerBackend(
  admin: HttpClient,
  o: { readonly group: string; readonly port: number; readonly ca: string; readonly path?: string },
): Promise<void> {
  const { group, port, ca, path } = o
  const url = `https://localhost:${port}`
  await admin.post('/api/v1/namespaces/default/configmaps', { metadata: { name: CA.name }, data: { 'ca.crt': ca } })
  await admin.post('/apis/gateway.portico.dev/v1alpha1/backendpolicies', {
    metadata: { name: group },
    spec: { targets: [{ group }], backends: [{ name: 'default', url, tls: { ca: [{ configMap: CA }] } }] },
  })
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

/** What the quick start asks of the server it started. */
import type { SampleDefinition } from '../fixtures/backends/definitions.ts'
import type { Api } from '../fixtures/backends/kubeconfig-api.ts'

/** The Service (type ExternalName: it works without a cluster network) and the APIService of a sample. */
export async function writeObjects(
  api: Api,
  d: SampleDefinition,
  o: { port: number; caBundle: string },
): Promise<void> {
  const { namespace, name } = d.service
  await put(api, `/api/v1/namespaces/${namespace}/services`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { type: 'ExternalName', externalName: 'localhost' },
  })
  await put(api, '/apis/apiregistration.k8s.io/v1/apiservices', {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: `${d.version}.${d.group}` },
    spec: {
      service: { namespace, name, port: o.port },
      group: d.group,
      version: d.version,
      caBundle: o.caBundle,
      groupPriorityMinimum: 1000,
      versionPriority: 15,
    },
  })
}

async function put(
  api: Api,
  collection: string,
  object: { metadata: { name: string; namespace?: string }; [field: string]: unknown },
): Promise<void> {
  const path = `${collection}/${object.metadata.name}`
  const stored = await api('GET', path)
  const { resourceVersion } = (stored.body['metadata'] ?? {}) as { resourceVersion?: string }
  const answer =
    stored.status === 200
      ? await api('PUT', path, { ...object, metadata: { ...object.metadata, resourceVersion } })
      : await api('POST', collection, object)
  // The server wrote its condition in between: take the newer version.
  if (answer.status === 409) return put(api, collection, object)
  if (answer.status >= 300) throw new Error(`${path}: ${JSON.stringify(answer.body)}`)
}

/** @throws Error with the condition's text after timeoutMs. */
export async function waitForAvailable(api: Api, name: string, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const { body } = await api('GET', `/apis/apiregistration.k8s.io/v1/apiservices/${name}`)
    const condition = (
      (body['status'] ?? {}) as { conditions?: { type: string; status: string; message: string }[] }
    ).conditions?.find((c) => c.type === 'Available')
    if (condition?.status === 'True') return
    if (Date.now() > deadline) throw new Error(`${name} is not available: ${condition?.message}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

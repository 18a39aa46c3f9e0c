import type { TestServer } from './server.ts'

export const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

export interface DiscoveredVersion {
  readonly version: string
  readonly freshness: string
  readonly resources?: readonly { readonly resource: string }[]
}
/** What aggregated discovery says of one group. */
export async function aggregated(portico: TestServer, group: string): Promise<readonly DiscoveredVersion[]> {
  const { items } = (await portico.admin.get('/apis', { headers: { accept: AGGREGATED } })).json<{
    items: { metadata: { name: string }; versions: DiscoveredVersion[] }[]
  }>()
  return items.find((g) => g.metadata.name === group)?.versions ?? []
}

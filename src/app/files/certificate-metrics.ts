/** Seconds until each certificate ends that this server shows, trusts or is shown by a backend. */
import type { Published } from '../../lib/published.ts'
import type { APIServiceTable } from '../../servers/aggregator/registrations/apiservice-table.ts'
import { type Expiry, firstExpiryMs } from '../../proxy/reach/certificate-expiry.ts'
import type { Credentials } from './credentials.ts'
import type { AppContext } from '../run/app-context.ts'

/** Uses of a certificate around a backend, which its APIService names. */
const USES: readonly Expiry['use'][] = ['backend', 'ca', 'client']

export function certificateMetrics(
  { metrics, clock }: AppContext,
  o: { readonly credentials: Credentials; readonly table: Published<APIServiceTable> },
): void {
  const own = metrics.gauge({
    name: 'portico_certificate_expiry_seconds',
    help: "Seconds until one of this server's own certificates ends, by what it is for.",
    labels: ['use'],
  })
  const ofBackends = metrics.gauge({
    name: 'portico_backend_certificate_expiry_seconds',
    help: 'Seconds until a certificate context a backend ends: the one it shows (backend), those it is verified by (ca), the one it is shown (client).',
    labels: ['backend', 'use'],
    maxSeries: 3_000,
  })
  let shown = new Set<string>()
  metrics.onCollect(() => {
    const now = clock.now()
    const { credentials, table } = o
    const { cert, clientCA = '', frontProxyCA = '' } = credentials.tls.material
    const pems = {
      serving: cert,
      'client-ca': clientCA,
      'front-proxy-ca': frontProxyCA,
      'front-proxy-client': credentials.frontProxyClient.value.cert,
    }
    for (const [use, pem] of Object.entries(pems)) {
      const atMs = firstExpiryMs(pem)
      if (atMs !== undefined) own.with(use).set((atMs - now) / 1_000)
    }
    const names = new Set<string>()
    for (const { backend } of table.value.entries) {
      for (const { use, atMs } of backend?.expiries ?? []) {
        names.add(backend!.name)
        ofBackends.with(backend!.name, use).set((atMs - now) / 1_000)
      }
    }
    for (const name of shown) if (!names.has(name)) for (const use of USES) ofBackends.remove(name, use)
    shown = names
  })
}

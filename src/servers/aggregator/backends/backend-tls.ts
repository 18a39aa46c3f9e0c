/** How connections to a backend are secured: by the fields of its APIService, or as a policy says. */
import type { APIService } from '../../../api/apiservice.ts'
import type { BackendTls } from '../../../api/backend-policy.ts'
import type { KeyPair } from '../../../http/certificates.ts'
import type { Published } from '../../../lib/published.ts'
import { bundleProblem } from '../policy/apiservice-validation.ts'
import type { TlsSettings } from '../../../proxy/reach/target.ts'
import type { CertificateMaterial } from './certificate-material.ts'

export function ownTls({ spec }: APIService, serverName: string, clientCertificate: KeyPair): TlsSettings {
  // Node leaves out what it cannot parse. It would trust no server then, without saying why.
  const problem = spec.caBundle ? bundleProblem(spec.caBundle) : undefined
  if (problem !== undefined) return new Error(problem)
  return {
    serverName,
    ...(spec.caBundle ? { ca: Buffer.from(spec.caBundle, 'base64').toString('utf8') } : {}),
    insecureSkipVerify: spec.insecureSkipTLSVerify === true,
    clientCertificate,
  }
}

export function policyTls(
  tls: BackendTls | undefined,
  serverName: string,
  o: { readonly material: CertificateMaterial; readonly clientCertificate: Published<KeyPair> },
): TlsSettings {
  const ca = tls?.ca && tls.ca.length > 0 ? o.material.bundle(tls.ca) : undefined
  if (ca instanceof Error) return ca
  const own = tls?.clientCertificate ? o.material.pair(tls.clientCertificate) : o.clientCertificate.value
  if (own instanceof Error) return own
  return {
    serverName: tls?.serverName || serverName,
    ca,
    insecureSkipVerify: tls?.insecureSkipVerify === true,
    clientCertificate: own,
  }
}

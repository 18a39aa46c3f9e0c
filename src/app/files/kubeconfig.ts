import { createPrivateKey } from 'node:crypto'
import { stringify } from 'yaml'

export interface KubeconfigOptions {
  readonly server: string
  readonly ca: string
  readonly cert: string
  readonly key: string
  readonly user?: string
}

/** A kubeconfig of one cluster and one user with a client certificate, all inline. */
export function kubeconfig(o: KubeconfigOptions): string {
  const name = 'portico'
  const user = o.user ?? 'admin'
  const key = sec1(o.key)
  const base64 = (pem: string): string => Buffer.from(pem).toString('base64')
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: o.server, 'certificate-authority-data': base64(o.ca) } }],
    users: [{ name: user, user: { 'client-certificate-data': base64(o.cert), 'client-key-data': base64(key) } }],
    contexts: [{ name, context: { cluster: name, user } }],
    'current-context': name,
  })
}

/** `EC PRIVATE KEY`: all clients read it. Java's common one takes `PRIVATE KEY` for an RSA key. */
function sec1(pem: string): string {
  const key = createPrivateKey(pem)
  return key.asymmetricKeyType === 'ec' ? key.export({ type: 'sec1', format: 'pem' }).toString() : pem
}

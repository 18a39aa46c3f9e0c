/** `portico kubeconfig`: a kubeconfig with a client certificate, for one user. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { ConfigurationError } from '../app/config/configuration-error.ts'
import { kubeconfig as render } from '../app/files/kubeconfig.ts'
import { issueClient, readClientOptions } from './client-options.ts'

export const KUBECONFIG_HELP = `Usage: portico kubeconfig --user=<name> [--group=<name> ...] [--server=<url>] [--data-dir=.portico] [--out=<file>]

Makes a kubeconfig with a client certificate of the data folder's CA. Server and serving CA are those of the admin's
kubeconfig there, unless --server says otherwise. Without --out it is printed.
`

interface Cluster {
  readonly server: string
  readonly 'certificate-authority-data': string
}

/** @throws ConfigurationError */
export async function kubeconfig(args: readonly string[]): Promise<number> {
  const options = readClientOptions(args, 'kubeconfig')
  const pair = issueClient(options)
  const cluster = clusterOf(options.dataDir)
  const text = render({
    server: options.server ?? cluster.server,
    ca: Buffer.from(cluster['certificate-authority-data'], 'base64').toString(),
    ...pair,
    user: options.user,
  })
  if (options.out === undefined) process.stdout.write(text)
  else writeFileSync(options.out, text, { mode: 0o600 })
  return 0
}

function clusterOf(dataDir: string): Cluster {
  const path = join(dataDir, 'kubeconfig')
  if (!existsSync(path)) throw new ConfigurationError(`--data-dir: ${path} does not exist; start the server there once`)
  return (parse(readFileSync(path, 'utf8')) as { clusters: { cluster: Cluster }[] }).clusters[0]!.cluster
}

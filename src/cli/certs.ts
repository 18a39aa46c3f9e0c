/** `portico certs`: a certificate of the data folder's CA: of a client, for one user, or of a backend, for its names. */
import { writeFileSync } from 'node:fs'
import { ConfigurationError } from '../app/config/configuration-error.ts'
import { issueClient, openPki, readClientOptions } from './client-options.ts'

export const CERTS_HELP = `Usage: portico certs --user=<name> [--group=<name> ...] [--data-dir=.portico] [--out=<path>]
       portico certs --serving=<service>.<namespace>.svc [--serving=<name> ...] [--data-dir=.portico] [--out=<path>]

Makes a certificate of the data folder's CA: of a client, or with --serving that of a backend with these names.
--out=alice writes alice.crt and alice.key; without it both are printed.
`

/** @throws ConfigurationError */
export async function certs(args: readonly string[]): Promise<number> {
  const options = readClientOptions(args, 'certs')
  const { serving, user, groups } = options
  if (serving.length > 0 && (user !== '' || groups.length > 0))
    throw new ConfigurationError('--serving: is of a backend; --user and --group are of a client')
  const { cert, key } =
    serving.length > 0 ? openPki(options.dataDir).servingFor(serving[0]!, serving) : issueClient(options)
  if (options.out === undefined) process.stdout.write(cert + key)
  else {
    writeFileSync(`${options.out}.key`, key, { mode: 0o600 })
    writeFileSync(`${options.out}.crt`, cert)
  }
  return 0
}

/** `portico certs`: a client certificate of the data folder's CA, for one user. */
import { writeFileSync } from 'node:fs'
import { type ClientOptions, issueClient, readClientOptions } from './client-options.ts'

export const CERTS_HELP = `Usage: portico certs --user=<name> [--group=<name> ...] [--data-dir=.portico] [--out=<path>]

Makes a client certificate of the data folder's CA. --out=alice writes alice.crt and alice.key; without it both are printed.
`

/** @throws ConfigurationError */
export async function certs(args: readonly string[]): Promise<number> {
  const options: ClientOptions = readClientOptions(args)
  const { cert, key } = issueClient(options)
  if (options.out === undefined) process.stdout.write(cert + key)
  else {
    writeFileSync(`${options.out}.key`, key, { mode: 0o600 })
    writeFileSync(`${options.out}.crt`, cert)
  }
  return 0
}

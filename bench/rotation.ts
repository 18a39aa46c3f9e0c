/**
 * Every certificate is replaced under 1,000 requests a second and 1,000 watches, each CA with a time in which both hold:
 * Portico's serving certificate, its CA of clients and their certificates, the front proxy's certificate and its CA, the
 * backend's certificate and its CA. How many requests failed, how many watches ended, and how soon the backend's old CA
 * is refused. Prints one JSON object.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type KeyPair, makeCA, makeCertificate } from '../src/http/certificates.ts'
import { ENDPOINT_PATH, putCertificates } from './lib/endpoint.ts'
import { h2Client } from './lib/h2-client.ts'
import { paced } from './lib/paced.ts'
import { putCA } from './lib/register-backend.ts'
import { ADDRESSES, setStage } from './lib/stage.ts'
import { openWatches } from './lib/watches.ts'

const PER_SECOND = 1_000
const WATCHES = 1_000
/** Files are noticed within a second. */
const STEP_MS = 2_000

const validity = { notBeforeMs: Date.now() - 60_000, notAfterMs: Date.now() + 86_400_000 }
interface Issued {
  readonly ca: string
  readonly pair: KeyPair
}
function issue(what: string, usage: 'server' | 'client'): Issued {
  const ca = makeCA({ commonName: `${what} CA`, ...validity })
  const request = { commonName: what, organizations: ['system:masters'], names: ['localhost', ...ADDRESSES] }
  return { ca: ca.cert, pair: makeCertificate({ ...request, usages: [usage], ...validity }, ca) }
}
const serving = { old: issue('old serving', 'server'), new: issue('new serving', 'server') }
const clients = { old: issue('old client', 'client'), new: issue('new client', 'client') }
const frontProxy = { old: issue('old front proxy', 'client'), new: issue('new front proxy', 'client') }
const backend = issue('new backend', 'server')

await using stage = await setStage({
  endpoints: 1,
  trust: serving.old.ca + serving.new.ca,
  args: (folder) => {
    const file = (name: string, text: string): string => put(folder, name, text)
    return [
      `--tls-cert-file=${file('tls.crt', serving.old.pair.cert)}`,
      `--tls-private-key-file=${file('tls.key', serving.old.pair.key)}`,
      `--client-ca-file=${file('clients.crt', clients.old.ca)}`,
      `--proxy-client-cert-file=${file('front-proxy.crt', frontProxy.old.pair.cert)}`,
      `--proxy-client-key-file=${file('front-proxy.key', frontProxy.old.pair.key)}`,
    ]
  },
})
const { admin, folder, server, target } = stage
const oldBackend: Issued = { ca: server.pki.ca().cert, pair: server.pki.servingFor('endpoint', ADDRESSES) }
const endpoint = stage.endpoints[0]!.process
const secure = (pair: KeyPair, clientCA: string): void => {
  putCertificates(folder, pair, clientCA)
  endpoint.kill('SIGHUP')
}
secure(oldBackend.pair, frontProxy.old.ca)
const as = ({ pair }: Issued): typeof target => ({ ...target, ...pair })
using watches = await openWatches(as(clients.old), WATCHES)
using client = await h2Client(as(clients.old))

/** Each in turn; whoever calls makes new connections after each. */
const STEPS: readonly (() => unknown)[] = [
  () => replace('tls', serving.new.pair),
  () => put(folder, 'clients.crt', clients.old.ca + clients.new.ca),
  () => client.renew(as(clients.new)),
  () => put(folder, 'clients.crt', clients.new.ca),
  () => secure(oldBackend.pair, frontProxy.old.ca + frontProxy.new.ca),
  () => replace('front-proxy', frontProxy.new.pair),
  () => secure(oldBackend.pair, frontProxy.new.ca),
  () => putCA(admin, oldBackend.ca + backend.ca),
  () => secure(backend.pair, frontProxy.new.ca),
  () => putCA(admin, backend.ca),
]
const load = await paced(PER_SECOND, rotate(), () => client.send('GET', ENDPOINT_PATH))
const dropped = watches.ends.length
console.log(
  JSON.stringify({
    name: 'rotation',
    ...load,
    watches: WATCHES,
    watchesDropped: dropped,
    oldBackendCARefusedAfterMs: await oldCARefusedAfterMs(),
  }),
)

async function rotate(): Promise<void> {
  let identity = clients.old
  for (const [i, step] of STEPS.entries()) {
    await step()
    if (i === 2) identity = clients.new
    await pause(STEP_MS)
    await client.renew(as(identity))
  }
}
/** It shows the old certificate again, which is still believed at first. Connections are broken, for each to be a new one. */
async function oldCARefusedAfterMs(): Promise<number> {
  await putCA(admin, oldBackend.ca + backend.ca)
  secure(oldBackend.pair, frontProxy.new.ca)
  await pause(STEP_MS)
  const before = await answerOnNewConnection()
  if (before.status !== 200) throw new Error(before.text)
  await putCA(admin, backend.ca)
  const removedMs = performance.now()
  for (;;) {
    const { status, text } = await answerOnNewConnection()
    if (status === 503 && text.includes('unknown authority')) return Math.round(performance.now() - removedMs)
    if (performance.now() - removedMs > 30_000) throw new Error(`still ${status} ${text}`)
  }
}
async function answerOnNewConnection(): Promise<{ status: number; text: string }> {
  endpoint.kill('SIGUSR2')
  await pause(50)
  return admin.get(ENDPOINT_PATH)
}
/** For a moment the two files do not match, as with any tool that writes them. */
function replace(name: string, { cert, key }: KeyPair): void {
  put(folder, `${name}.key`, key)
  put(folder, `${name}.crt`, cert)
}
function put(to: string, name: string, text: string): string {
  const path = join(to, name)
  writeFileSync(`${path}.next`, text)
  renameSync(`${path}.next`, path)
  return path
}

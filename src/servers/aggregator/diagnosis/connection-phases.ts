/** The way to a backend: its addresses, TCP, TLS. Dialled as the traffic dials, with the same certificates. */
import type { X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import type { Clock } from '../../../lib/clock.ts'
import { type Address, dial, type Dialled, lookupOf } from '../../../proxy/dial.ts'
import { endpointId } from '../../../proxy/endpoint-set.ts'
import { SilentEndpointError } from '../../../proxy/upstream.ts'
import { type Finding, failed, ok, textOf, warning } from './report.ts'

const TIMEOUT_MS = 5000
/** A backend with more endpoints is judged by these. */
export const MAX_ADDRESSES = 10
const EXPIRES_SOON_MS = 14 * 24 * 3600 * 1000

export async function dialPhase(addresses: readonly Address[], clock: Clock): Promise<Finding> {
  const tried = await Promise.all(
    addresses.map(async (address) => {
      const startMs = clock.monotonicMs()
      const { error, dialled } = await dialOnce({ ...address, tls: undefined }, clock)
      dialled?.socket.destroy()
      const tookMs = Math.round(clock.monotonicMs() - startMs)
      return { address: endpointId(address), tookMs, ...(error ? { error: error.message } : {}) }
    }),
  )
  const broken = tried.filter((t) => t.error !== undefined)
  const details = { endpoints: tried }
  if (broken.length === 0) return ok(`${tried.length} of ${tried.length} addresses accept connections`, details)
  const text = broken.map((t) => `${t.address}: ${t.error}`).join('; ')
  return broken.length === tried.length ? failed(text, details) : warning(text, details)
}

/** Every address, as the traffic would: names, chain, dates. */
export async function tlsPhase(addresses: readonly Address[], clock: Clock): Promise<Finding> {
  const found = await Promise.all(addresses.map((address) => handshake(address, clock)))
  const worst =
    found.find((f) => f.result === 'failed') ??
    found.find((f) => f.result === 'warning') ??
    found[0] ??
    ok('no address')
  const someWork = found.some((f) => f.result !== 'failed')
  return worst.result === 'failed' && someWork ? { ...worst, result: 'warning' } : worst
}

async function handshake(address: Address, clock: Clock): Promise<Finding> {
  const where = endpointId(address)
  const { tls } = address
  if (!tls)
    return address.path === undefined ? warning(`${where}: plain HTTP`) : ok(`${where}: a socket of this machine`)
  const { error, dialled } = await dialOnce(address, clock)
  // Another look would wait as long.
  if (error?.cause instanceof SilentEndpointError)
    return failed(`${where}: accepts the connection, but its TLS handshake gets no answer in ${TIMEOUT_MS / 1000} s`)
  const shown = dialled ? certificateOf(dialled.socket as TLSSocket) : await certificateShown(address)
  dialled?.socket.destroy()
  const details = {
    address: where,
    expectedName: tls.serverName,
    ...(dialled ? { protocol: dialled.protocol } : {}),
    ...(shown ? describe(shown) : {}),
  }
  if (error) return failed(`${where}: ${error.message}${shown ? hint(shown, tls.serverName, clock) : ''}`, details)
  if (!shown) return failed(`${where}: shows no certificate`, details)
  const leftMs = Date.parse(shown.validTo) - clock.now()
  if (tls.insecureSkipVerify)
    return warning(`${where}: the certificate is not verified (insecureSkipTLSVerify)`, details)
  if (leftMs < EXPIRES_SOON_MS)
    return warning(`${where}: the certificate ends in ${Math.floor(leftMs / 86_400_000)} days`, details)
  return ok(`${where}: verified as ${tls.serverName}, until ${dateOf(shown)}`, details)
}

/** What the text of the failure does not tell. */
function hint(shown: X509Certificate, expected: string, clock: Clock): string {
  if (Date.parse(shown.validTo) < clock.now()) return ` (it ended ${dateOf(shown)})`
  if (Date.parse(shown.validFrom) > clock.now()) return ` (it begins ${shown.validFrom})`
  if ((isIP(expected) ? shown.checkIP(expected) : shown.checkHost(expected)) === undefined)
    return ` (it is for ${shown.subjectAltName ?? 'no names at all'}; ${expected} is needed)`
  return ` (issued by ${oneLine(shown.issuer)}, which caBundle does not cover)`
}

function describe(shown: X509Certificate): Record<string, unknown> {
  return {
    subject: oneLine(shown.subject),
    issuer: oneLine(shown.issuer),
    names: shown.subjectAltName ?? '',
    notAfter: new Date(shown.validTo).toISOString(),
  }
}
const dateOf = (shown: X509Certificate): string => new Date(shown.validTo).toISOString().slice(0, 10)
const oneLine = (name: string | undefined): string => (name ?? '').replaceAll('\n', ', ')

/** Alone to look at it: nothing is sent over this connection, and nothing is believed. */
function certificateShown(address: Address): Promise<X509Certificate | undefined> {
  const { host, port, tls } = address
  return new Promise((resolve) => {
    const servername = tls && !isIP(tls.serverName) ? tls.serverName : ''
    const to = { host, port, ...lookupOf(address) }
    const socket = connect({ ...to, servername, rejectUnauthorized: false, timeout: TIMEOUT_MS })
    const done = (): void => {
      resolve(certificateOf(socket))
      socket.destroy()
    }
    for (const event of ['secureConnect', 'timeout', 'error', 'close'] as const) socket.once(event, done)
    socket.on('error', () => {})
  })
}
/** Also of a socket that never got as far. */
function certificateOf(socket: TLSSocket): X509Certificate | undefined {
  try {
    return socket.getPeerX509Certificate()
  } catch {
    return undefined
  }
}

function dialOnce(address: Address, clock: Clock): Promise<{ error?: Error; dialled?: Dialled }> {
  const options = {
    clock,
    alpn: ['h2', 'http/1.1'] as const,
    connectTimeoutMs: TIMEOUT_MS,
    handshakeTimeoutMs: TIMEOUT_MS,
  }
  return new Promise((resolve) => {
    dial(address, options, (error, dialled) =>
      resolve({ ...(error ? { error } : {}), ...(dialled ? { dialled } : {}) }),
    )
  })
}

interface Resolved {
  addresses(): readonly Address[]
  refused(): readonly string[]
}
export function resolvePhase(backend: Resolved): Finding {
  try {
    const addresses = backend.addresses().map(endpointId)
    if (addresses.length === 0) return failed('no endpoints available')
    const text = addresses.slice(0, MAX_ADDRESSES).join(', ')
    const refused = backend.refused()
    if (refused.length === 0) return ok(text, { addresses })
    return warning(`${text}; not used: ${refused.join('; ')}`, { addresses, refused })
  } catch (e) {
    return failed(textOf(e))
  }
}

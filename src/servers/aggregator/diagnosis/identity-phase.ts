/**
 * Checks whose identity headers a backend believes: it must believe us, as front proxy, and no client without our certificate.
 * The questions are lists of one object, and what comes back is thrown away.
 */
import { request } from 'node:http'
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Transport } from '../../../client/transport.ts'
import { type Address, lookupOf } from '../../../proxy/dial.ts'
import { type Finding, failed, ok, warning } from './report.ts'

const TIMEOUT_MS = 5000
/** The identity that a client would forge to be allowed everything. */
const FORGED = { 'X-Remote-User': 'system:portico-probe', 'X-Remote-Group': 'system:masters' }
const AGENT = 'portico/identity-probe'

export interface IdentityQuestion extends StrangerQuestion {
  /** Puts the prefix before paths by itself. */
  readonly transport: Transport
}
export interface StrangerQuestion {
  /** Without our certificate in its TLS profile. */
  readonly stranger: Address
  /** The path of the backend's URL. Empty where it has none. */
  readonly pathPrefix: string
  /** A path that not every user may read. */
  readonly path: string
  readonly signal: AbortSignal
}

export async function identityPhase(o: IdentityQuestion): Promise<Finding> {
  const ours = await statusOf(o)
  if (ours === 401 || ours === 403)
    return failed(
      `the backend answers ${ours} to our front-proxy certificate: does it trust the CA in kube-system/extension-apiserver-authentication?`,
    )
  const { anonymous, forged } = await askAsStranger(o)
  const details = { path: o.path, asFrontProxy: ours, anonymous, forged }
  if (succeeded(anonymous))
    return warning('anybody who reaches the backend is served: it checks no identity', { ...details, bypassable: true })
  if (succeeded(forged))
    return failed('the backend believes identity headers of anybody, without our front-proxy certificate', {
      ...details,
      bypassable: true,
    })
  return ok('believes our front-proxy certificate, and nobody without it', { ...details, bypassable: false })
}

/** A status, or why there is none. */
export interface StrangerAnswers {
  readonly anonymous: number | string
  readonly forged: number | string
}

/** Asks without our certificate: first without an identity, then with forged headers. Only reads. */
export async function askAsStranger(o: StrangerQuestion): Promise<StrangerAnswers> {
  return { anonymous: await ask(o, {}), forged: await ask(o, FORGED) }
}

const succeeded = (status: number | string): boolean => typeof status === 'number' && status >= 200 && status < 300

async function statusOf({ transport, path, signal }: IdentityQuestion): Promise<number> {
  const response = await transport({ method: 'GET', path, headers: { accept: 'application/json' }, signal })
  for await (const _chunk of response.body) break
  return response.status
}

/** @returns the status, or why there is none: a backend may refuse the connection without a certificate. */
function ask(
  { stranger, pathPrefix, path, signal }: StrangerQuestion,
  headers: Record<string, string>,
): Promise<number | string> {
  const sent = request({
    createConnection: () => connectTo(stranger),
    path: pathPrefix + path,
    headers: {
      ...headers,
      Host: stranger.tls?.serverName ?? stranger.host,
      Accept: 'application/json',
      'User-Agent': AGENT,
    },
    timeout: TIMEOUT_MS,
    signal,
  })
  return new Promise((resolve) => {
    sent.on('response', (answer) => {
      resolve(answer.statusCode ?? 0)
      answer.destroy()
    })
    sent.on('timeout', () => sent.destroy(new Error('timed out')))
    sent.on('error', (e: Error) => resolve(e.message))
    sent.end()
  })
}

function connectTo(address: Address): Socket {
  const { host, port, path, tls } = address
  if (!tls) return connectPlain(path === undefined ? { host, port, ...lookupOf(address) } : { path })
  return connectTls({
    host,
    port,
    ...lookupOf(address),
    secureContext: tls.context,
    servername: isIP(tls.serverName) ? '' : tls.serverName,
    rejectUnauthorized: !tls.insecureSkipVerify,
    checkServerIdentity: tls.checkServerIdentity,
    ALPNProtocols: ['http/1.1'],
  })
}

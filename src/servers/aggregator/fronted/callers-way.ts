/**
 * Whether requests of callers get through to a fronted server, and as whom: asked over the connections and with the
 * identity headers of their requests, as a caller that has no rights.
 *
 * Owns:     the last finding.
 * Callers:  fronted-delegate.ts, with each look at the server's discovery; readyz and the doctor tell the finding.
 *
 * The server's own credentials prove nothing here: requests of callers go with another certificate, or need the
 * permission to impersonate.
 */
import type { UserInfo } from '../../../api/meta.ts'
import type { Transport } from '../../../client/transport.ts'
import { encodeJson } from '../../../api/codec/codec.ts'
import { readAll } from '../discovery/discovery-downloads.ts'
import type { CallerIdentity } from './fronted-connection.ts'

/** One failure that is lost is no outage. */
const FAILURES_OF_AN_OUTAGE = 3
const REVIEW = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' }

/** It has what callers have: an account that may impersonate names alone is found out. */
export const PROBE_CALLER: UserInfo = {
  name: 'portico:probe',
  uid: 'portico-probe',
  groups: ['system:authenticated'],
  extra: new Map([['authentication.kubernetes.io/credential-id', ['portico-probe']]]),
}

export class CallersWay {
  readonly #transport: Transport
  readonly #identity: CallerIdentity
  #failures = FAILURES_OF_AN_OUTAGE
  #problem: string | undefined = 'not asked yet'

  /** @param transport over the connections of callers, as PROBE_CALLER. */
  constructor(transport: Transport, identity: CallerIdentity) {
    this.#transport = transport
    this.#identity = identity
  }
  /** For readyz: undefined while requests of callers get through. */
  get problem(): string | undefined {
    return this.#failures < FAILURES_OF_AN_OUTAGE ? undefined : this.#problem
  }
  async look(signal: AbortSignal): Promise<void> {
    this.#problem = await this.ask(signal).catch((e: unknown) => (e as Error).message)
    this.#failures = this.#problem === undefined ? 0 : this.#failures + 1
  }

  /** @returns what stands in the way of callers; undefined: nothing. @throws what went wrong on the way. */
  async ask(signal: AbortSignal): Promise<string | undefined> {
    // The caller's own token would go on, and there is none here.
    if (this.#identity === 'passthrough') {
      const { status } = await this.#send('GET', '/version', undefined, signal)
      return status < 500 ? undefined : `/version: bad status ${status}`
    }
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews'
    const { status, text } = await this.#send('POST', path, REVIEW, signal)
    if (status === 401) return 'the server does not believe who callers are (401)'
    if (status === 403 && text.includes('cannot impersonate'))
      return `the account of the kubeconfig may not impersonate callers: ${messageOf(text)}`
    if (status >= 500) return `${path}: bad status ${status}`
    // A server without this review, or one that refuses to be asked, was reached all the same.
    if (status !== 201) return undefined
    const name = userNameOf(text)
    return name === PROBE_CALLER.name ? undefined : `the server takes callers for ${JSON.stringify(name)}`
  }

  async #send(
    method: string,
    path: string,
    body: object | undefined,
    signal: AbortSignal,
  ): Promise<{ status: number; text: string }> {
    const response = await this.#transport({
      method,
      path,
      headers: { accept: 'application/json', ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: Buffer.from(encodeJson(body)) }),
      signal,
    })
    return { status: response.status, text: await readAll(response) }
  }
}

interface Answer {
  readonly message?: unknown
  readonly status?: { readonly userInfo?: { readonly username?: unknown } }
}
function parsed(text: string): Answer {
  try {
    return (JSON.parse(text) ?? {}) as Answer
  } catch {
    return {}
  }
}
function messageOf(text: string): string {
  const { message } = parsed(text)
  return typeof message === 'string' ? message : text
}
function userNameOf(text: string): string {
  const name = parsed(text).status?.userInfo?.username
  return typeof name === 'string' ? name : ''
}

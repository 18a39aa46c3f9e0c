/**
 * Publishes how this server knows callers, in kube-system/extension-apiserver-authentication: what aggregated API
 * servers read to trust the identity headers we send them.
 */
import { X509Certificate } from 'node:crypto'
import type { KubeObject } from '../api/meta.ts'
import type { Client } from '../client/client.ts'
import { DONE, type ReconcileResult, type Reconciler } from '../client/controller.ts'
import type { Informer } from '../client/informer.ts'
import type { Informers } from '../client/informers.ts'
import { isConflict } from '../client/is-stale.ts'
import type { WorkQueue } from '../client/work-queue.ts'
import type { Clock } from '../lib/clock.ts'

const CONFIG_MAPS = { group: '', version: 'v1', resource: 'configmaps' }
const NAMESPACE = 'kube-system'
const NAME = 'extension-apiserver-authentication'
const KEY = `${NAMESPACE}/${NAME}`

interface ConfigMap extends KubeObject {
  data?: Record<string, string>
}
/** PEM bundles, and what is sent to backends: they are told what to look for. */
export interface AuthenticationInfo {
  readonly clientCA: string
  readonly frontProxyCA: string
  readonly allowedNames: readonly string[]
  readonly usernameHeaders: readonly string[]
  readonly uidHeaders: readonly string[]
  readonly groupHeaders: readonly string[]
  readonly extraHeaderPrefixes: readonly string[]
}

/** The informer of the single ConfigMap that this controller keeps. */
export function authenticationInfoInformer(informers: Informers): Informer<ConfigMap> {
  return informers.ofOne<ConfigMap>(CONFIG_MAPS, { namespace: NAMESPACE, name: NAME })
}

export class AuthenticationInfoController implements Reconciler {
  readonly #client
  readonly #queue: WorkQueue
  readonly #info: () => AuthenticationInfo
  readonly #clock: Clock
  readonly #informer: Informer<ConfigMap>

  constructor(o: {
    client: Client
    informer: Informer<ConfigMap>
    queue: WorkQueue
    info: () => AuthenticationInfo
    clock: Clock
  }) {
    this.#client = o.client.resource<ConfigMap>(CONFIG_MAPS)
    this.#queue = o.queue
    this.#info = o.info
    this.#clock = o.clock
    this.#informer = o.informer
    const wake = (): void => this.wake()
    this.#informer.addHandler({ added: wake, updated: wake, deleted: wake })
  }
  /** An object that does not exist yet sends no event: the key is added here. */
  termBegins(): void {
    this.wake()
  }
  /** The bundles changed. */
  wake(): void {
    this.#queue.add(KEY)
  }
  async reconcile(): Promise<ReconcileResult> {
    const current = this.#informer.lister.get(KEY)
    const wanted = united(dataOf(this.#info()), current?.data ?? {}, this.#clock.now())
    if (current && Object.entries(wanted).every(([key, value]) => current.data?.[key] === value)) return DONE
    try {
      if (current) await this.#client.update({ ...current, data: { ...current.data, ...wanted } })
      else
        await this.#client.create({
          kind: 'ConfigMap',
          apiVersion: 'v1',
          metadata: { name: NAME, namespace: NAMESPACE },
          data: wanted,
        })
    } catch (e) {
      // Another replica was quicker: its event wakes this key.
      if (isConflict(e)) return DONE
      throw e
    }
    return DONE
  }
}

function dataOf(info: AuthenticationInfo): Record<string, string> {
  return {
    'client-ca-file': info.clientCA,
    'requestheader-client-ca-file': info.frontProxyCA,
    'requestheader-allowed-names': JSON.stringify(info.allowedNames),
    'requestheader-username-headers': JSON.stringify(info.usernameHeaders),
    'requestheader-uid-headers': JSON.stringify(info.uidHeaders),
    'requestheader-group-headers': JSON.stringify(info.groupHeaders),
    'requestheader-extra-headers-prefix': JSON.stringify(info.extraHeaderPrefixes),
  }
}

/**
 * Ours and what is stored, as kube-apiserver unites them: replicas with other CAs publish here too, backends have to
 * trust all of them, and two replicas that each wrote their own would never stop. Certificates go when they expire.
 */
function united(ours: Record<string, string>, stored: Record<string, string>, nowMs: number): Record<string, string> {
  return Object.fromEntries(
    Object.entries(ours).map(([key, own]) => {
      const theirs = stored[key] ?? ''
      return [key, key.endsWith('-file') ? unitedBundle(own, theirs, nowMs) : unitedList(own, theirs)]
    }),
  )
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

function unitedBundle(own: string, theirs: string, nowMs: number): string {
  const mine = new Set(own.match(CERTIFICATE))
  const stored: readonly string[] = theirs.match(CERTIFICATE) ?? []
  const others = stored.filter((pem) => !mine.has(pem) && isValidAt(pem, nowMs))
  // The stored text where it says the same: the order must not make replicas write in turn.
  if (stored.length === mine.size + others.length && [...mine].every((pem) => stored.includes(pem))) return theirs
  return others.length === 0 ? own : [...mine, ...others].map((pem) => `${pem}\n`).join('')
}

function isValidAt(pem: string, nowMs: number): boolean {
  try {
    return new X509Certificate(pem).validToDate.getTime() > nowMs
  } catch {
    return false
  }
}

function unitedList(own: string, theirs: string): string {
  const stored = textsIn(theirs)
  const missing = textsIn(own).filter((text) => !stored.includes(text))
  return JSON.stringify([...stored, ...missing])
}

function textsIn(json: string): string[] {
  try {
    const list: unknown = JSON.parse(json)
    return Array.isArray(list) ? list.filter((v) => typeof v === 'string') : []
  } catch {
    return []
  }
}

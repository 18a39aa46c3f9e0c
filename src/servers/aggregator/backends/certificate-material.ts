/**
 * Certificates that policies point to: in Secrets, ConfigMaps and files. What is referenced is followed, so that a
 * rotation needs no restart.
 *
 * Owns:    one timer that looks at the files, stopped by [Symbol.dispose].
 * Callers: backend-tls.ts reads; registration-controller.ts hears of changes.
 */
import { readFileSync, statSync } from 'node:fs'
import type { CertificateSource, ClientCertificateSource, KeyReference } from '../../../api/backend-policy.ts'
import type { KubeObject } from '../../../api/meta.ts'
import type { Informer } from '../../../client/informer.ts'
import type { Informers } from '../../../client/informers.ts'
import type { KeyPair } from '../../../http/certificates.ts'
import type { Cancel, Clock } from '../../../lib/clock.ts'
import { bundleProblem } from '../policy/apiservice-validation.ts'

interface Followed extends KubeObject {
  /** base64 in Secrets, text in ConfigMaps. */
  data?: Record<string, string>
}
interface FileState {
  readonly changedMs: number
  readonly size: number
  readonly text: string | Error
}

const LOOK_AT_FILES_MS = 1_000
const MAX_FOLLOWED = 1_024

export class CertificateMaterial implements Disposable {
  readonly #informers: Informers
  readonly #clock: Clock
  readonly #followed = new Map<string, Informer<Followed>>()
  readonly #files = new Map<string, FileState>()
  readonly #listeners = new Set<() => void>()
  #cancel: Cancel | undefined

  constructor(o: { informers: Informers; clock: Clock }) {
    this.#informers = o.informers
    this.#clock = o.clock
  }
  /** The result unsubscribes. */
  onChange(fn: () => void): () => void {
    this.#listeners.add(fn)
    return () => this.#listeners.delete(fn)
  }
  /** All of them in one PEM bundle. */
  bundle(sources: readonly CertificateSource[]): string | Error {
    const parts: string[] = []
    for (const source of sources) {
      const text = this.#text(source)
      if (text instanceof Error) return text
      const problem = bundleProblem(Buffer.from(text).toString('base64'))
      if (problem !== undefined) return new Error(problem)
      parts.push(text)
    }
    return parts.join('\n')
  }
  pair(source: ClientCertificateSource): KeyPair | Error {
    const { secret, certFile = '', keyFile = '' } = source
    const cert = secret ? this.#ofObject('secrets', { ...secret, ...TLS_CRT }) : this.#ofFile(certFile)
    if (cert instanceof Error) return cert
    const key = secret ? this.#ofObject('secrets', { ...secret, ...TLS_KEY }) : this.#ofFile(keyFile)
    return key instanceof Error ? key : { cert, key }
  }
  [Symbol.dispose](): void {
    this.#cancel?.()
    this.#listeners.clear()
  }

  #text({ secret, configMap, file = '' }: CertificateSource): string | Error {
    if (secret) return this.#ofObject('secrets', secret)
    return configMap ? this.#ofObject('configmaps', configMap) : this.#ofFile(file)
  }
  #ofObject(resource: 'secrets' | 'configmaps', reference: KeyReference): string | Error {
    const { namespace = '', name = '', key = 'ca.crt' } = reference
    const what = `${resource} ${namespace}/${name}`
    const informer = this.#follow(resource, namespace, name)
    if (!informer) return new Error(`more than ${MAX_FOLLOWED} Secrets and ConfigMaps are referenced`)
    const object = informer.lister.get(`${namespace}/${name}`)
    if (!object) return new Error(informer.hasSynced ? `${what} does not exist` : `${what} is not known yet`)
    const value = object.data?.[key]
    if (value === undefined) return new Error(`${what} has no key ${key}`)
    return resource === 'secrets' ? Buffer.from(value, 'base64').toString('utf8') : value
  }
  #follow(resource: 'secrets' | 'configmaps', namespace: string, name: string): Informer<Followed> | undefined {
    const id = `${resource}/${namespace}/${name}`
    const known = this.#followed.get(id)
    if (known || this.#followed.size >= MAX_FOLLOWED) return known
    const informer = this.#informers.ofOne<Followed>({ group: '', version: 'v1', resource }, { namespace, name })
    this.#followed.set(id, informer)
    const changed = (): void => this.#changed()
    informer.addHandler({ added: changed, updated: changed, deleted: changed })
    informer.start()
    void informer.synced.then(changed)
    return informer
  }
  #ofFile(path: string): string | Error {
    const known = this.#files.get(path)
    if (known) return known.text
    const state = readState(path)
    this.#files.set(path, state)
    this.#cancel ??= this.#clock.after(LOOK_AT_FILES_MS, () => this.#look())
    return state.text
  }
  #look(): void {
    let changed = false
    for (const [path, before] of this.#files) {
      const now = statOf(path)
      if (now?.mtimeMs === before.changedMs && now.size === before.size) continue
      if (!now && before.text instanceof Error) continue
      this.#files.set(path, readState(path))
      changed = true
    }
    this.#cancel = this.#clock.after(LOOK_AT_FILES_MS, () => this.#look())
    if (changed) this.#changed()
  }
  #changed(): void {
    for (const fn of this.#listeners) fn()
  }
}

const TLS_CRT = { key: 'tls.crt' }
const TLS_KEY = { key: 'tls.key' }

function statOf(path: string): { mtimeMs: number; size: number } | undefined {
  return statSync(path, { throwIfNoEntry: false })
}
function readState(path: string): FileState {
  const stat = statOf(path)
  const at = { changedMs: stat?.mtimeMs ?? -1, size: stat?.size ?? -1 }
  try {
    return { ...at, text: readFileSync(path, 'utf8') }
  } catch (e) {
    return { ...at, text: new Error(`${path} cannot be read: ${(e as NodeJS.ErrnoException).code}`) }
  }
}

/**
 * The certificates and keys in use: given by flags, or made in the data folder; reloaded when their files change.
 *
 * Owns: the watching of files and the daily look at expiry.
 */
import { existsSync } from 'node:fs'
import type { KeyPair } from '../../http/certificates.ts'
import { ReloadableTls } from '../../http/tls-context.ts'
import { Lifetime } from '../../lib/lifetime.ts'
import { Publisher, type Published } from '../../lib/published.ts'
import { ConfigurationError } from '../config/configuration-error.ts'
import type { DataDir } from './data-dir.ts'
import { watchFiles } from './file-watch.ts'
import { kubeconfig } from './kubeconfig.ts'
import type { OptionName } from '../config/options.ts'
import { readPem } from './pem-file.ts'
import { Pki } from './pki.ts'
import type { AppContext } from '../run/app-context.ts'

const LOOK_EVERY_MS = 12 * 3600 * 1000
const WATCHED: readonly OptionName[] = [
  'tls-cert-file',
  'tls-private-key-file',
  'client-ca-file',
  'requestheader-client-ca-file',
  'proxy-client-cert-file',
  'proxy-client-key-file',
]

export interface TrustBundles {
  readonly clientCA: string
  readonly frontProxyCA: string
}
export interface Credentials extends AsyncDisposable {
  readonly tls: ReloadableTls
  readonly pki: Pki
  /** What backends know us by. */
  readonly frontProxyClient: Published<KeyPair>
  /** For extension-apiserver-authentication. */
  readonly trust: Published<TrustBundles>
  writeKubeconfig(port: number): void
}

/** @throws ConfigurationError where a given file cannot be used. */
export function openCredentials(context: AppContext, dir: DataDir): Credentials {
  return new OpenCredentials(context, dir)
}

class OpenCredentials implements Credentials {
  readonly pki: Pki
  readonly tls: ReloadableTls
  readonly frontProxyClient: Publisher<KeyPair>
  readonly trust: Publisher<TrustBundles>
  readonly #context: AppContext
  readonly #dir: DataDir
  readonly #life = new Lifetime()

  constructor(context: AppContext, dir: DataDir) {
    this.#context = context
    this.#dir = dir
    this.pki = new Pki(dir, () => context.clock.now())
    this.trust = new Publisher(this.#bundles())
    this.frontProxyClient = new Publisher(
      this.#pair('proxy-client-cert-file', 'proxy-client-key-file', () => this.pki.frontProxyClient()),
    )
    this.tls = this.#openTls()
    this.#watchFiles()
    this.#lookDaily()
  }

  writeKubeconfig(port: number): void {
    const { advertiseAddress } = this.#context.config
    const host = advertiseAddress.includes(':') ? `[${advertiseAddress}]` : advertiseAddress
    const admin = this.pki.admin()
    this.#dir.write('kubeconfig', kubeconfig({ server: `https://${host}:${port}`, ca: this.#servingCA(), ...admin }))
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#life[Symbol.asyncDispose]()
  }

  /** What a client trusts our serving certificate by: our CA, or the given certificate's own chain. */
  #servingCA(): string {
    return this.#context.config.values['tls-cert-file'] === ''
      ? this.pki.ca().cert
      : readPem('tls-cert-file', this.#context.config.values, 'certificate')
  }
  #openTls(): ReloadableTls {
    const { values, minTlsVersion, ciphers } = this.#context.config
    try {
      return new ReloadableTls(this.#material(), {
        minVersion: minTlsVersion,
        ciphers,
        http2: !values['disable-http2-serving'],
      })
    } catch (e) {
      throw new ConfigurationError(`--tls-cert-file, --tls-private-key-file or a CA file: ${(e as Error).message}`)
    }
  }
  #material(): { cert: string; key: string; clientCA: string; frontProxyCA: string } {
    const { values } = this.#context.config
    const names = [this.#context.config.advertiseAddress, values['external-hostname']].filter((n) => n !== '')
    return {
      ...this.#pair('tls-cert-file', 'tls-private-key-file', () => this.pki.serving(names)),
      ...this.trust.value,
    }
  }
  #pair(certName: OptionName, keyName: OptionName, own: () => KeyPair): KeyPair {
    const { values } = this.#context.config
    return values[certName] === ''
      ? own()
      : { cert: readPem(certName, values, 'certificate'), key: readPem(keyName, values, 'key') }
  }
  #bundles(): TrustBundles {
    const { values } = this.#context.config
    const given = (name: OptionName): string => (values[name] === '' ? '' : `\n${readPem(name, values, 'certificate')}`)
    return {
      clientCA: this.pki.ca().cert + given('client-ca-file'),
      // A given front-proxy CA replaces our own: only its certificates may speak for users then.
      frontProxyCA:
        values['requestheader-client-ca-file'] === ''
          ? this.pki.frontProxyCA().cert
          : readPem('requestheader-client-ca-file', values, 'certificate'),
    }
  }

  /** A pair whose halves do not match yet is left for the next change. */
  #reload(): void {
    try {
      const trust = this.#bundles()
      const proxy = this.#pair('proxy-client-cert-file', 'proxy-client-key-file', () => this.pki.frontProxyClient())
      const changedTrust =
        trust.clientCA !== this.trust.value.clientCA || trust.frontProxyCA !== this.trust.value.frontProxyCA
      if (changedTrust) this.trust.publish(trust)
      this.tls.update(this.#material())
      if (proxy.cert !== this.frontProxyClient.value.cert || proxy.key !== this.frontProxyClient.value.key)
        this.frontProxyClient.publish(proxy)
      this.#context.log.info('certificates were read again')
    } catch (e) {
      this.#context.log.warn('changed certificates cannot be used yet; the old ones stay', { error: e })
    }
  }
  #watchFiles(): void {
    const { config, clock } = this.#context
    const paths = WATCHED.map((name) => String(config.values[name])).filter((path) => path !== '' && existsSync(path))
    this.#life.defer(watchFiles({ paths, clock, changed: () => this.#reload() }))
  }
  #lookDaily(): void {
    let cancel = (): void => {}
    const again = (): void => {
      cancel = this.#context.clock.after(LOOK_EVERY_MS, () => {
        this.#reload()
        again()
      })
    }
    again()
    this.#life.defer(() => cancel())
  }
}

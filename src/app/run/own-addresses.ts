/**
 * Where this server listens itself, so that no backend leads there by accident or on purpose.
 *
 * Callers: wire.ts makes it, and tells the ports once the system gave them; wire-backends.ts asks.
 */
import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Config } from '../config/config.ts'

interface Bound {
  /** As it was given: an address, a name, or one that means all of this machine. */
  readonly host: string
  /** 0: it does not listen, or not yet. */
  port: number
}

const EVERYWHERE = new Set(['', '0.0.0.0', '::'])
const LOOPBACK = ['127.0.0.1', '::1']
/** To whom a connection to no address in particular goes. */
const UNSPECIFIED = new Map([
  ['127.0.0.1', '0.0.0.0'],
  ['::1', '::'],
])

export class OwnAddresses {
  readonly #secure: Bound
  readonly #insecure: Bound
  readonly #advertised: string
  readonly #machine: () => readonly string[]

  constructor(
    { values, advertiseAddress }: Pick<Config, 'advertiseAddress'> & { readonly values: OwnValues },
    machine: () => readonly string[] = machineAddresses,
  ) {
    this.#secure = { host: values['bind-address'], port: values['secure-port'] }
    this.#insecure = { host: values['insecure-bind-address'], port: values['insecure-port'] }
    this.#advertised = advertiseAddress
    this.#machine = machine
  }
  /** The port of the TLS listener; 0 until it is known. */
  get port(): number {
    return this.#secure.port
  }
  /** The system gave them. */
  listening(port: number, insecurePort: number | undefined): void {
    this.#secure.port = port
    this.#insecure.port = insecurePort ?? 0
  }
  /** For requests of this process to its own TLS listener; undefined until it is up. */
  get dialled(): { readonly host: string; readonly port: number } | undefined {
    const { host, port } = this.#secure
    return port === 0 ? undefined : { host: EVERYWHERE.has(host) ? LOOPBACK[0]! : host, port }
  }
  /** Names other than localhost are no addresses: what they lead to is asked when it is known. */
  has(host: string, port: number): boolean {
    if (port === 0) return false
    if (port === this.#secure.port && host === this.#advertised) return true
    return [this.#secure, this.#insecure].some((b) => b.port === port && this.#reaches(b.host, host))
  }

  #reaches(bound: string, host: string): boolean {
    if (bound === host) return true
    const list = new BlockList()
    const add = (address: string): void => {
      const family = isIP(address)
      if (family !== 0) list.addAddress(address, family === 4 ? 'ipv4' : 'ipv6')
    }
    if (EVERYWHERE.has(bound)) {
      list.addSubnet('127.0.0.0', 8, 'ipv4')
      for (const address of [...EVERYWHERE, ...LOOPBACK, ...this.#machine()]) add(address)
    } else {
      for (const address of bound === 'localhost' ? LOOPBACK : [bound]) {
        add(address)
        add(UNSPECIFIED.get(address) ?? '')
      }
    }
    return (host === 'localhost' ? LOOPBACK : [host]).some((address) => {
      const family = isIP(address)
      return family !== 0 && list.check(address, family === 4 ? 'ipv4' : 'ipv6')
    })
  }
}

type OwnValues = Pick<Config['values'], 'bind-address' | 'secure-port' | 'insecure-bind-address' | 'insecure-port'>

function machineAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((all) => (all ?? []).map(({ address }) => address))
}

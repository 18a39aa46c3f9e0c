/** Opens one connection to a backend. Callers: upstream-pool.ts, upgrade-tunnel.ts. */
import { lookup as lookupName } from 'node:dns'
import { connect as connectPlain, isIP, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Clock } from '../lib/clock.ts'
import { SilentEndpointError, UpstreamError } from './upstream.ts'
import type { TlsProfile } from './upstream-tls.ts'

export interface Address {
  /** Name or address to dial. */
  readonly host: string
  readonly port: number
  /** Absent: plain TCP. */
  readonly tls: TlsProfile | undefined
  /** Of a socket of this machine, in place of host and port. */
  readonly path?: string | undefined
  /** Absent: it may lead anywhere. */
  readonly guard?: AddressGuard | undefined
}
/** Where connections may not lead. */
export interface AddressGuard {
  /** Equal for equal rules. */
  readonly id: string
  /** Why not; undefined: it may be dialled. */
  refuses(address: string, port: number): string | undefined
}
/** The name leads where no backend may be. */
export class ForbiddenAddressError extends Error {
  override readonly name = 'ForbiddenAddressError'
}
export interface DialOptions {
  readonly clock: Clock
  readonly alpn: readonly ('h2' | 'http/1.1')[]
  /** Until TCP is connected. Upstream: 30 s. */
  readonly connectTimeoutMs: number
  /** From then to the end of the handshake. Upstream: 10 s. */
  readonly handshakeTimeoutMs: number
  /** TCP is connected and TLS begins. */
  readonly onHandshake?: (() => void) | undefined
}
export interface Dialled {
  readonly socket: Socket
  readonly protocol: 'http/1.1' | 'h2'
}
/** Called once. */
export type DialDone = (error: UpstreamError | undefined, dialled: Dialled | undefined) => void

/** A name is judged by where it leads at the moment of dialling: what it led to when it was checked may be another address. */
export function lookupOf({ guard, port }: Pick<Address, 'guard' | 'port'>): { lookup?: LookupFunction } {
  if (!guard) return {}
  const lookup: LookupFunction = (name, options, done) =>
    lookupName(name, { ...options, all: true }, (error, found) => {
      if (error) return done(error, [])
      const allowed = found.filter(({ address }) => guard.refuses(address, port) === undefined)
      const [first] = allowed
      if (!first) {
        const why = guard.refuses(found[0]?.address ?? '', port) ?? 'it has no addresses'
        return done(new ForbiddenAddressError(`lookup ${name}: ${why}`), [])
      }
      if (options.all === true) done(null, allowed)
      else done(null, first.address, first.family)
    })
  return { lookup }
}

/** @returns a function that gives up; done is not called then. */
export function dial(address: Address, options: DialOptions, done: DialDone): () => void {
  const { tls } = address
  const base =
    address.path === undefined
      ? { host: address.host, port: address.port, allowHalfOpen: true, ...lookupOf(address) }
      : { path: address.path, allowHalfOpen: true }
  let phase: 'connect' | 'tls' = 'connect'
  const socket = tls
    ? connectTls({
        ...base,
        secureContext: tls.context,
        servername: isIP(tls.serverName) ? '' : tls.serverName,
        rejectUnauthorized: !tls.insecureSkipVerify,
        checkServerIdentity: tls.checkServerIdentity,
        ALPNProtocols: [...options.alpn],
      })
    : connectPlain(base)
  const settle = (error: UpstreamError | undefined): void => {
    cancelTimer()
    socket.off('error', onError)
    socket.off('close', onClose)
    if (error) {
      socket.on('error', () => {})
      socket.destroy()
      done(error, undefined)
      return
    }
    // Small frames must not wait for the acknowledgement of the one before: Node's HTTP/2 leaves Nagle on.
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 30_000)
    done(undefined, { socket, protocol: 'alpnProtocol' in socket && socket.alpnProtocol === 'h2' ? 'h2' : 'http/1.1' })
  }
  const fail = (cause: Error): void => {
    const where = cause instanceof ForbiddenAddressError ? 'resolve' : phase
    settle(new UpstreamError(where, cause.message, { cause, unprocessed: true }))
  }
  const onError = (error: Error): void => fail(error)
  const onClose = (): void => fail(new Error('EOF'))
  const onTimeout = (): void =>
    fail(
      new SilentEndpointError(
        phase === 'connect' ? `dial tcp ${address.host}:${address.port}: i/o timeout` : 'TLS handshake timeout',
      ),
    )
  let cancelTimer = options.clock.after(options.connectTimeoutMs, onTimeout)
  socket.once('error', onError)
  socket.once('close', onClose)
  socket.once('connect', () => {
    if (!tls) return settle(undefined)
    phase = 'tls'
    options.onHandshake?.()
    cancelTimer()
    cancelTimer = options.clock.after(options.handshakeTimeoutMs, onTimeout)
  })
  if (tls) socket.once('secureConnect', () => settle(undefined))
  return () => {
    cancelTimer()
    socket.off('error', onError)
    socket.off('close', onClose)
    socket.on('error', () => {})
    socket.destroy()
  }
}

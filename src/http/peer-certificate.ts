/**
 * Node 24 never frees a client certificate that TLSSocket.getPeerX509Certificate() gave out, 4.5 KiB for each connection,
 * and 24.21 calls that itself in every handshake. Here the method is given another body: it parses what the older
 * getPeerCertificate() shows, which is freed. Node 26 needs none of this.
 *
 * Callers: listener.ts. Measured by bench/connections.ts.
 */
import { X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'

const FREED_SINCE_MAJOR = 26

/** What Node wraps; not public, so nothing is done where it looks otherwise. */
interface TlsHandle {
  getPeerX509Certificate?: (this: TlsHandle) => unknown
  getPeerCertificate(detailed: boolean): { readonly raw?: Uint8Array } | undefined
}

let mended = Number.parseInt(process.versions.node, 10) >= FREED_SINCE_MAJOR

/** For all sockets of the process, from the next on. */
export function freePeerCertificates(socket: TLSSocket): void {
  if (mended) return
  mended = true
  const handle = (socket as { _handle?: TlsHandle | null })._handle
  const wrap = handle && (Object.getPrototypeOf(handle) as TlsHandle)
  if (typeof wrap?.getPeerX509Certificate !== 'function' || typeof wrap.getPeerCertificate !== 'function') return
  const native = wrap.getPeerX509Certificate
  wrap.getPeerX509Certificate = function () {
    const raw = this.getPeerCertificate(false)?.raw
    // Without one Node takes the client for unverified: rather leaked than that.
    return raw && (handleOf(new X509Certificate(raw)) ?? native.call(this))
  }
}

/** The handle of the native object, which the caller wraps again. */
function handleOf(certificate: X509Certificate): unknown {
  const symbol = Object.getOwnPropertySymbols(certificate).find((s) => s.description === 'kHandle')
  return symbol && (certificate as unknown as Record<symbol, unknown>)[symbol]
}

/**
 * Where backends may not lead: who may register one must not reach the machine's metadata service, or this server
 * through itself, with the identity that backends trust.
 */
import { BlockList, isIP } from 'node:net'
import type { AddressGuard } from '../dial.ts'

export interface ForbiddenAddresses {
  readonly allowLinkLocal: boolean
  /** Our own listeners' ports, by address; the service default/kubernetes is excepted by its resolver. */
  readonly isOwn: (host: string, port: number) => boolean
}

const LINK_LOCAL = new BlockList()
LINK_LOCAL.addSubnet('169.254.0.0', 16, 'ipv4')
LINK_LOCAL.addSubnet('fe80::', 10, 'ipv6')

/** The same for what names lead to, which is known only while they are dialled. */
export function addressGuard(o: ForbiddenAddresses, mayBeOwn: boolean): AddressGuard {
  return {
    id: `link-local ${o.allowLinkLocal}, own ${mayBeOwn}`,
    refuses: (host, port) => forbiddenAddress({ host, port }, o, mayBeOwn),
  }
}

/** @returns why it is refused. */
export function forbiddenAddress(
  { host, port, path }: { readonly host: string; readonly port: number; readonly path?: string | undefined },
  o: ForbiddenAddresses,
  mayBeOwn: boolean,
): string | undefined {
  if (path !== undefined) return undefined
  const family = isIP(host)
  if (!o.allowLinkLocal && family !== 0 && LINK_LOCAL.check(host, family === 4 ? 'ipv4' : 'ipv6'))
    return `the address ${host} is link-local, which backends may not be`
  return !mayBeOwn && o.isOwn(host, port) ? `the address ${host}:${port} is this server itself` : undefined
}

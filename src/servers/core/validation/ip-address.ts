/**
 * IP addresses in fields of core kinds. Source: apimachinery's validation of "legacy" IP fields, in the strict form
 * of Kubernetes 1.36; values that are stored already are left alone.
 */
import { BlockList, isIPv6 } from 'node:net'
import { type FieldError, fieldError } from '../../../api/field-error.ts'

export interface IpAddress {
  readonly family: 'ipv4' | 'ipv6'
  /** IPv4 without leading zeros. */
  readonly text: string
}

const IPV4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i

/** Accepts leading zeros, as Go did once. An IPv4-mapped address is IPv4. */
export function parseIpSloppy(text: string): IpAddress | undefined {
  const mapped = MAPPED.exec(text)?.[1]
  const parts = IPV4.exec(mapped ?? text)
    ?.slice(1)
    .map(Number)
  if (parts) return parts.every((p) => p <= 255) ? { family: 'ipv4', text: parts.join('.') } : undefined
  return isIPv6(text) && !text.includes('%') ? { family: 'ipv6', text } : undefined
}

/** @param accepted values that the stored object has: they are not checked again. */
export function validateIp(value: string, path: string, accepted: readonly string[] = []): FieldError[] {
  if (accepted.includes(value)) return []
  const ip = parseIpSloppy(value)
  if (!ip) return [fieldError.invalid(path, value, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)')]
  if (MAPPED.test(value)) return [fieldError.invalid(path, value, 'must not be an IPv4-mapped IPv6 address')]
  const zeros = ip.family === 'ipv4' && ip.text !== value
  return zeros ? [fieldError.invalid(path, value, 'must not have leading 0s')] : []
}

export function validateCidr(value: string, path: string, accepted: readonly string[] = []): FieldError[] {
  if (accepted.includes(value)) return []
  const [address = '', bits = '', ...rest] = value.split('/')
  const ip = parseIpSloppy(address)
  const max = ip?.family === 'ipv4' ? 32 : 128
  if (ip && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= max) return []
  return [fieldError.invalid(path, value, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)')]
}

const RANGES: readonly { readonly ranges: readonly (readonly [string, number])[]; readonly text: string }[] = [
  {
    ranges: [
      ['127.0.0.0', 8],
      ['::1', 128],
    ],
    text: 'may not be in the loopback range (127.0.0.0/8, ::1/128)',
  },
  {
    ranges: [
      ['169.254.0.0', 16],
      ['fe80::', 10],
    ],
    text: 'may not be in the link-local range (169.254.0.0/16, fe80::/10)',
  },
  {
    ranges: [
      ['224.0.0.0', 24],
      ['ff02::', 16],
    ],
    text: 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)',
  },
]
const BLOCKS = RANGES.map(({ ranges, text }) => {
  const block = new BlockList()
  for (const [address, bits] of ranges) block.addSubnet(address, bits, address.includes(':') ? 'ipv6' : 'ipv4')
  return { block, text }
})
const UNSPECIFIED = new BlockList()
UNSPECIFIED.addAddress('0.0.0.0', 'ipv4')
UNSPECIFIED.addAddress('::', 'ipv6')

/** An address that traffic may be sent to: endpoints, external IPs. */
export function validateEndpointIp(value: string, path: string): FieldError[] {
  const ip = parseIpSloppy(value)
  if (!ip) return [fieldError.invalid(path, value, 'must be a valid IP address')]
  const errors: FieldError[] = []
  if (UNSPECIFIED.check(ip.text, ip.family))
    errors.push(fieldError.invalid(path, value, `may not be unspecified (${value})`))
  for (const { block, text } of BLOCKS)
    if (block.check(ip.text, ip.family)) errors.push(fieldError.invalid(path, value, text))
  return errors
}

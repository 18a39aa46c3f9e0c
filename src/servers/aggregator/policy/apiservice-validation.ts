/** Validation of APIServices. Source: kube-aggregator's validation; order and texts are exact. */
import { X509Certificate } from 'node:crypto'
import type { APIService } from '../../../api/apiservice.ts'
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import { goQuote } from '../../../api/go-format.ts'
import { dns1035Label, dns1123Subdomain, portNumber } from '../../../api/names.ts'
import { pemCertificates } from '../../../lib/pem.ts'

const CONDITION_STATUSES = ['True', 'False', 'Unknown']
const MAX_GROUP_PRIORITY = 20_000
const MAX_VERSION_PRIORITY = 1000

/** Beyond the rules of metadata. */
export function validateAPIService(o: APIService): FieldError[] {
  const { group = '', version = '', groupPriorityMinimum, versionPriority } = o.spec
  const errors: FieldError[] = []
  const required = `${version}.${group}`
  for (const field of ['generateName', 'name'] as const) {
    const name = o.metadata[field] ?? ''
    if (name === '' || name === required) continue
    errors.push(
      fieldError.invalid(`metadata.${field}`, name, `must be \`spec.version+"."+spec.group\`: ${goQuote(required)}`),
    )
  }
  if (group === '' && version !== 'v1')
    errors.push(fieldError.required('spec.group', 'only v1 may have an empty group and it better be legacy kube'))
  if (group !== '')
    for (const text of dns1123Subdomain(group)) errors.push(fieldError.invalid('spec.group', group, text))
  for (const text of dns1035Label(version)) errors.push(fieldError.invalid('spec.version', version, text))
  if (!(groupPriorityMinimum > 0 && groupPriorityMinimum <= MAX_GROUP_PRIORITY)) {
    errors.push(
      fieldError.invalid(
        'spec.groupPriorityMinimum',
        groupPriorityMinimum,
        `must be positive and less than ${MAX_GROUP_PRIORITY}`,
      ),
    )
  }
  if (!(versionPriority > 0 && versionPriority <= MAX_VERSION_PRIORITY)) {
    errors.push(
      fieldError.invalid(
        'spec.versionPriority',
        versionPriority,
        `must be positive and less than ${MAX_VERSION_PRIORITY}`,
      ),
    )
  }
  return [...errors, ...(o.spec.service ? remoteErrors(o) : localErrors(o))]
}

function localErrors({ spec }: APIService): FieldError[] {
  const errors: FieldError[] = []
  const bytes = Buffer.from(spec.caBundle ?? '', 'base64').byteLength
  if (bytes > 0)
    errors.push(fieldError.invalid('spec.caBundle', `${bytes} bytes`, 'local APIServices may not have a caBundle'))
  if (spec.insecureSkipTLSVerify === true)
    errors.push(
      fieldError.invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify'),
    )
  return errors
}

function remoteErrors({ spec }: APIService): FieldError[] {
  const errors: FieldError[] = []
  const { namespace = '', name = '', port = 443 } = spec.service!
  if (namespace === '') errors.push(fieldError.required('spec.service.namespace'))
  if (name === '') errors.push(fieldError.required('spec.service.name'))
  for (const text of portNumber(port))
    errors.push(fieldError.invalid('spec.service.port', port, `port is not valid: ${text}`))
  if (spec.insecureSkipTLSVerify === true && (spec.caBundle ?? '') !== '') {
    errors.push(fieldError.invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'))
  }
  return errors
}

export function validateConditions(o: { status?: { conditions?: readonly { status: string }[] } }): FieldError[] {
  return (o.status?.conditions ?? []).flatMap((c, i) =>
    CONDITION_STATUSES.includes(c.status)
      ? []
      : [fieldError.notSupported(`status.conditions[${i}].status`, c.status, CONDITION_STATUSES)],
  )
}

/** What is allowed and will hurt: told at the write, not found out later. */
export function apiServiceWarnings(o: APIService): string[] {
  const { service, insecureSkipTLSVerify, caBundle } = o.spec
  if (!service) return []
  if (insecureSkipTLSVerify === true)
    return ['spec.insecureSkipTLSVerify: the identity of this backend is not verified; use spec.caBundle instead']
  const problem = caBundle === undefined ? undefined : bundleProblem(caBundle)
  return problem === undefined ? [] : [`spec.caBundle: ${problem}; requests to this backend will fail`]
}

/** The most certificates of a bundle: an operating system trusts a few hundred, and each is read for each new connection. */
const MAX_CERTIFICATES = 1_000

/** @returns what is wrong with a PEM bundle in base64; undefined where it can be used. */
export function bundleProblem(base64: string): string | undefined {
  const blocks = pemCertificates(Buffer.from(base64, 'base64').toString('utf8'))
  if (blocks.length > MAX_CERTIFICATES) return `unable to load root certificates: more than ${MAX_CERTIFICATES}`
  if (blocks.length === 0) return 'unable to load root certificates: unable to parse bytes as PEM block'
  try {
    for (const block of blocks) new X509Certificate(block)
    return undefined
  } catch (e) {
    return `unable to load root certificates: failed to parse certificate: ${(e as Error).message}`
  }
}

/** `delegates:` of the config file, and its short form in flags: API servers that this one fronts. */
import type { CallerIdentity } from '../../servers/aggregator/fronted/fronted-connection.ts'
import { ConfigurationError } from './configuration-error.ts'
import type { OptionValues } from './options.ts'

export interface DelegateConfig {
  readonly name: string
  /** Address, CA, and our own credentials. */
  readonly kubeconfig: string
  readonly identity: CallerIdentity
  /** undefined: everything that no other delegate claims, in place of the core server. */
  readonly groups: readonly string[] | undefined
  /** Groups that neither another delegate nor the core server claims, such as those of CRDs. */
  readonly isRest: boolean
  /** What set it, for messages. */
  readonly origin: string
}

const FIELDS = new Set(['name', 'kubeconfig', 'identity', 'groups'])
const IDENTITIES: readonly string[] = ['requestheader', 'impersonate', 'passthrough'] satisfies CallerIdentity[]
const REST = '*'
const NAME = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/

/** @param origin in front of the messages. @throws ConfigurationError */
export function readDelegates(value: unknown, origin: string): DelegateConfig[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw new ConfigurationError(`${origin}: must be a list`)
  return value.map((entry: unknown, i) => readDelegate(entry, `${origin}[${i}]`))
}

function readDelegate(entry: unknown, origin: string): DelegateConfig {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry))
    throw new ConfigurationError(`${origin}: must be a map`)
  const fields = entry as Readonly<Record<string, unknown>>
  const unknown = Object.keys(fields).find((field) => !FIELDS.has(field))
  if (unknown !== undefined) throw new ConfigurationError(`${origin}: unknown field ${unknown}`)
  const { name, kubeconfig, identity = 'requestheader', groups } = fields
  if (typeof name !== 'string' || !NAME.test(name))
    throw new ConfigurationError(`${origin}.name: must be of lower-case letters, digits and hyphens`)
  if (typeof kubeconfig !== 'string' || kubeconfig === '')
    throw new ConfigurationError(`${origin}.kubeconfig: is needed`)
  return {
    name,
    kubeconfig,
    identity: identityOf(identity, `${origin}.identity`),
    ...groupsOf(groups, `${origin}.groups`),
    origin: `${origin}.kubeconfig`,
  }
}

function identityOf(value: unknown, origin: string): CallerIdentity {
  if (!IDENTITIES.includes(value as string))
    throw new ConfigurationError(`${origin}: must be one of ${IDENTITIES.join(', ')}`)
  return value as CallerIdentity
}
function groupsOf(value: unknown, origin: string): Pick<DelegateConfig, 'groups' | 'isRest'> {
  if (value === undefined) return { groups: undefined, isRest: false }
  if (!Array.isArray(value) || value.length === 0 || value.some((g) => typeof g !== 'string' || g === ''))
    throw new ConfigurationError(`${origin}: must be a list of API groups; "core" is the one without a name`)
  const isRest = value.includes(REST)
  if (isRest && value.length > 1)
    throw new ConfigurationError(`${origin}: "${REST}" is everything that nobody else serves: name no other beside it`)
  return { groups: value as string[], isRest }
}

/** All delegates, that of the flags among them. The delegate for everything, or for the rest, is last. @throws ConfigurationError */
export function completeDelegates(fromFile: readonly DelegateConfig[], values: OptionValues): DelegateConfig[] {
  const identity = identityOf(values['core-delegate-identity'], '--core-delegate-identity')
  const kubeconfig = values['core-delegate-kubeconfig']
  const origin = '--core-delegate-kubeconfig'
  const fromFlags =
    kubeconfig === '' ? [] : [{ name: 'core', kubeconfig, identity, groups: undefined, isRest: false, origin }]
  const all = [...fromFile, ...fromFlags]
  for (const [i, delegate] of all.entries()) {
    if (all.findIndex((d) => d.name === delegate.name) !== i)
      throw new ConfigurationError(`${delegate.origin}: there is another delegate with the name ${delegate.name}`)
  }
  const everything = all.filter((d) => d.groups === undefined)
  if (everything.length > 1)
    throw new ConfigurationError(`${everything[1]!.origin}: one delegate alone can be without groups`)
  const rest = all.filter((d) => d.isRest)
  if (rest.length > 1)
    throw new ConfigurationError(`${rest[1]!.origin}: one delegate alone can have the groups that nobody else serves`)
  if (rest.length > 0 && everything.length > 0)
    throw new ConfigurationError(
      `${rest[0]!.origin}: nothing is left for it beside ${everything[0]!.name}, which is without groups`,
    )
  return [...all.filter((d) => d.groups !== undefined && !d.isRest), ...everything, ...rest]
}

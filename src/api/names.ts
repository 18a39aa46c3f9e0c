/**
 * Validators of names, label keys and values, ports and the like. Each returns the messages of what is wrong,
 * in Kubernetes' exact words; none means valid. Source: apimachinery's util/validation.
 */

export type NameValidator = (name: string) => readonly string[]

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const SUBDOMAIN = String.raw`[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*`
const LABEL_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?'
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const LABEL_VALUE = `(${QUALIFIED})?`
const CONFIG_KEY = '[-._a-zA-Z0-9]+'

const whole = (pattern: string): RegExp => new RegExp(`^${pattern}$`)
const IS = {
  label: whole(LABEL),
  subdomain: whole(SUBDOMAIN),
  label1035: whole(LABEL_1035),
  qualified: whole(QUALIFIED),
  labelValue: whole(LABEL_VALUE),
  configKey: whole(CONFIG_KEY),
}

const NAME_CHARACTERS =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
const LABEL_TEXT = regexMessage(
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  LABEL,
  ['my-name', '123-abc'],
)
const SUBDOMAIN_TEXT = regexMessage(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  SUBDOMAIN,
  ['example.com'],
)
const LABEL_1035_TEXT = regexMessage(
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  LABEL_1035,
  ['my-name', 'abc-123'],
)
const QUALIFIED_EXAMPLES = ['MyName', 'my.name', '123-abc']
const QUALIFIED_NAME_TEXT = regexMessage(`name part ${NAME_CHARACTERS}`, QUALIFIED, QUALIFIED_EXAMPLES)
const QUALIFIED_TEXT = `${regexMessage(`a valid label key ${NAME_CHARACTERS}`, QUALIFIED, QUALIFIED_EXAMPLES)} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`
const LABEL_VALUE_TEXT = regexMessage(
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  LABEL_VALUE,
  ['MyValue', 'my_value', '12345'],
)
const CONFIG_KEY_TEXT = regexMessage(
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  CONFIG_KEY,
  ['key.name', 'KEY_NAME', 'key-name'],
)

/** The double space before "or" is Go's. */
export function regexMessage(text: string, pattern: string, examples: readonly string[] = []): string {
  if (examples.length === 0) return `${text} (regex used for validation is '${pattern}')`
  const shown = examples.map((e) => `'${e}', `).join(' or ')
  return `${text} (e.g. ${shown}regex used for validation is '${pattern}')`
}

/** Go's len(): UTF-8 bytes. */
function bytesOf(text: string): number {
  return Buffer.byteLength(text)
}
function tooLong(max: number, unit: 'characters' | 'bytes' = 'characters'): string {
  return `must be no more than ${max} ${unit}`
}

export function dns1123Label(name: string): readonly string[] {
  const messages = bytesOf(name) > 63 ? [tooLong(63)] : []
  if (!IS.label.test(name)) messages.push(IS.subdomain.test(name) ? 'must not contain dots' : LABEL_TEXT)
  return messages
}
export function dns1123Subdomain(name: string): readonly string[] {
  const messages = bytesOf(name) > 253 ? [tooLong(253)] : []
  if (!IS.subdomain.test(name)) messages.push(SUBDOMAIN_TEXT)
  return messages
}
export function dns1035Label(name: string): readonly string[] {
  const messages = bytesOf(name) > 63 ? [tooLong(63)] : []
  if (!IS.label1035.test(name)) messages.push(LABEL_1035_TEXT)
  return messages
}

/** A label key: `[prefix/]name`. Also annotation keys, finalizers, taints, resource names. */
export function qualifiedName(name: string): readonly string[] {
  const parts = name.split('/')
  if (parts.length > 2) return [QUALIFIED_TEXT]
  const messages: string[] = []
  if (parts.length === 2) {
    if (parts[0] === '') messages.push('prefix part must be non-empty')
    else messages.push(...dns1123Subdomain(parts[0]!).map((m) => `prefix part ${m}`))
  }
  const own = parts.at(-1)!
  if (own === '') messages.push('name part must be non-empty')
  else if (bytesOf(own) > 63) messages.push(`name part ${tooLong(63, 'bytes')}`)
  if (!IS.qualified.test(own)) messages.push(QUALIFIED_NAME_TEXT)
  return messages
}
export function labelValue(value: string): readonly string[] {
  const messages = bytesOf(value) > 63 ? [tooLong(63, 'bytes')] : []
  if (!IS.labelValue.test(value)) messages.push(LABEL_VALUE_TEXT)
  return messages
}

/** A name that only has to fit into a path: RBAC kinds, APIServices, CRDs' objects by choice. */
export function pathSegment(name: string): readonly string[] {
  if (name === '.') return ["may not be '.'"]
  if (name === '..') return ["may not be '..'"]
  return ['/', '%'].filter((c) => name.includes(c)).map((c) => `may not contain '${c}'`)
}

/** A key of a ConfigMap's or a Secret's data. */
export function configMapKey(key: string): readonly string[] {
  const messages = bytesOf(key) > 253 ? [tooLong(253)] : []
  if (!IS.configKey.test(key)) messages.push(CONFIG_KEY_TEXT)
  if (key === '.') messages.push("must not be '.'")
  else if (key === '..') messages.push("must not be '..'")
  else if (key.startsWith('..')) messages.push("must not start with '..'")
  return messages
}

export function portNumber(port: number): readonly string[] {
  return port >= 1 && port <= 65535 ? [] : ['must be between 1 and 65535, inclusive']
}

/** An IANA service name, as named ports are. */
export function portName(name: string): readonly string[] {
  const messages: string[] = []
  if (bytesOf(name) > 15) messages.push(tooLong(15))
  if (!/^[-a-z0-9]+$/.test(name))
    messages.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(name)) messages.push('must contain at least one letter (a-z)')
  if (name.includes('--')) messages.push('must not contain consecutive hyphens')
  if (name.startsWith('-') || name.endsWith('-')) messages.push('must not begin or end with a hyphen')
  return messages
}

/** A generateName is checked as the start of a name: a trailing hyphen is taken for one more letter. */
export function maskTrailingDash(prefix: string): string {
  return prefix.length > 1 && prefix.endsWith('-') ? `${prefix.slice(0, -2)}a` : prefix
}

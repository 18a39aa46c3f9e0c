/**
 * Validating and mutating webhook configurations. Source: admissionregistration validation of Kubernetes. The expressions
 * of match conditions are not compiled.
 */
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import type { KubeObject } from '../../../api/meta.ts'
import { dns1035Label, dns1123Subdomain, labelValue, portNumber, qualifiedName } from '../../../api/names.ts'
import { nameErrors } from './field-checks.ts'

export interface WebhookConfiguration extends KubeObject {
  readonly webhooks?: readonly Webhook[]
}
interface Webhook {
  readonly name?: string
  readonly clientConfig?: ClientConfig
  readonly rules?: readonly Rule[]
  readonly failurePolicy?: string
  readonly matchPolicy?: string
  readonly reinvocationPolicy?: string
  readonly namespaceSelector?: LabelSelector
  readonly objectSelector?: LabelSelector
  readonly sideEffects?: string
  readonly timeoutSeconds?: number
  readonly admissionReviewVersions?: readonly string[]
  readonly matchConditions?: readonly { readonly name?: string; readonly expression?: string }[]
}
interface ClientConfig {
  readonly url?: string
  readonly service?: {
    readonly namespace?: string
    readonly name?: string
    readonly path?: string
    readonly port?: number
  }
}
interface Rule {
  readonly operations?: readonly string[]
  readonly apiGroups?: readonly string[]
  readonly apiVersions?: readonly string[]
  readonly resources?: readonly string[]
  readonly scope?: string
}
interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>
  readonly matchExpressions?: readonly {
    readonly key?: string
    readonly operator?: string
    readonly values?: readonly string[]
  }[]
}

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE']
const REVIEW_VERSIONS = ['v1', 'v1beta1']
const MAX_TIMEOUT_SECONDS = 30
const MAX_CONDITIONS = 64
const URL_FORM = '; desired format: https://host[/path]'

export function validateWebhooks({ webhooks = [] }: WebhookConfiguration): FieldError[] {
  const names = new Set<string>()
  return webhooks.flatMap((webhook, i) => {
    const path = `webhooks[${i}]`
    const { name = '' } = webhook
    const repeated = name !== '' && names.has(name)
    names.add(name)
    return [
      ...webhookErrors(webhook, path),
      ...reviewVersionErrors(webhook.admissionReviewVersions ?? [], `${path}.admissionReviewVersions`),
      ...(repeated ? [fieldError.duplicate(`${path}.name`, name)] : []),
    ]
  })
}

function webhookErrors(hook: Webhook, path: string): FieldError[] {
  const { failurePolicy, matchPolicy, sideEffects, timeoutSeconds: timeout, reinvocationPolicy } = hook
  const errors = [...fullNameErrors(hook.name ?? '', `${path}.name`)]
  errors.push(...(hook.rules ?? []).flatMap((rule, i) => ruleErrors(rule, `${path}.rules[${i}]`)))
  errors.push(...supported(failurePolicy, `${path}.failurePolicy`, ['Fail', 'Ignore']))
  errors.push(...supported(matchPolicy, `${path}.matchPolicy`, ['Equivalent', 'Exact']))
  if (sideEffects === undefined)
    errors.push(fieldError.required(`${path}.sideEffects`, 'must specify one of None, NoneOnDryRun'))
  errors.push(...supported(sideEffects, `${path}.sideEffects`, ['None', 'NoneOnDryRun']))
  if (timeout !== undefined && (timeout > MAX_TIMEOUT_SECONDS || timeout < 1))
    errors.push(
      fieldError.invalid(`${path}.timeoutSeconds`, timeout, 'the timeout value must be between 1 and 30 seconds'),
    )
  for (const field of ['namespaceSelector', 'objectSelector'] as const)
    errors.push(...selectorErrors(hook[field] ?? {}, `${path}.${field}`))
  errors.push(...supported(reinvocationPolicy, `${path}.reinvocationPolicy`, ['IfNeeded', 'Never']))
  errors.push(...clientErrors(hook.clientConfig ?? {}, `${path}.clientConfig`))
  return [...errors, ...conditionErrors(hook.matchConditions ?? [], `${path}.matchConditions`)]
}

function supported(value: string | undefined, path: string, all: readonly string[]): FieldError[] {
  return value === undefined || all.includes(value) ? [] : [fieldError.notSupported(path, value, all)]
}

function fullNameErrors(name: string, path: string): FieldError[] {
  if (name === '') return [fieldError.required(path)]
  const errors = nameErrors(name, path, dns1123Subdomain)
  if (errors.length > 0 || name.split('.').length >= 3) return errors
  return [fieldError.invalid(path, name, 'should be a domain with at least three segments separated by dots')]
}

function ruleErrors(
  { operations = [], apiGroups = [], apiVersions = [], resources = [], scope }: Rule,
  path: string,
): FieldError[] {
  return [
    ...wildcardErrors(operations, `${path}.operations`, 'operations'),
    ...operations.flatMap((operation, i) => supported(operation, `${path}.operations[${i}]`, OPERATIONS)),
    ...wildcardErrors(apiGroups, `${path}.apiGroups`, 'API groups'),
    ...wildcardErrors(apiVersions, `${path}.apiVersions`, 'API versions'),
    ...apiVersions.flatMap((version, i) => (version === '' ? [fieldError.required(`${path}.apiVersions[${i}]`)] : [])),
    ...resourceErrors(resources, `${path}.resources`),
    ...supported(scope, `${path}.scope`, ['*', 'Cluster', 'Namespaced']),
  ]
}

function wildcardErrors(values: readonly string[], path: string, what: string): FieldError[] {
  if (values.length === 0) return [fieldError.required(path)]
  if (values.length === 1 || !values.includes('*')) return []
  return [fieldError.invalid(path, values, `if '*' is present, must not specify other ${what}`)]
}

function resourceErrors(resources: readonly string[], path: string): FieldError[] {
  if (resources.length === 0) return [fieldError.required(path)]
  const errors: FieldError[] = []
  const [wildSubresources, wildResources] = [new Set<string>(), new Set<string>()]
  for (const [i, resource] of resources.entries()) {
    const at = `${path}[${i}]`
    if (resource === '') errors.push(fieldError.required(at))
    if (!resource.includes('/')) continue
    const [main, sub] = [resource.slice(0, resource.indexOf('/')), resource.slice(resource.indexOf('/') + 1)]
    if (wildSubresources.has(main))
      errors.push(fieldError.invalid(at, resource, `if '${main}/*' is present, must not specify ${resource}`))
    if (wildResources.has(sub))
      errors.push(fieldError.invalid(at, resource, `if '*/${sub}' is present, must not specify ${resource}`))
    if (sub === '*') wildSubresources.add(main)
    if (main === '*') wildResources.add(sub)
  }
  if (resources.length > 1 && resources.includes('*/*'))
    errors.push(fieldError.invalid(path, resources, "if '*/*' is present, must not specify other resources"))
  if (resources.includes('*') && resources.some((r) => r !== '*' && !r.includes('/')))
    errors.push(
      fieldError.invalid(path, resources, "if '*' is present, must not specify other resources without subresources"),
    )
  return errors
}

function selectorErrors({ matchLabels = {}, matchExpressions = [] }: LabelSelector, path: string): FieldError[] {
  const labels = Object.entries(matchLabels).flatMap(([key, value]) => [
    ...nameErrors(key, `${path}.matchLabels`, qualifiedName),
    ...nameErrors(value, `${path}.matchLabels`, labelValue),
  ])
  const requirements = matchExpressions.flatMap(({ key = '', operator = '', values = [] }, i) => {
    const at = `${path}.matchExpressions[${i}]`
    const errors: FieldError[] = []
    const [needs, refuses] = [['In', 'NotIn'].includes(operator), ['Exists', 'DoesNotExist'].includes(operator)]
    if (needs && values.length === 0)
      errors.push(fieldError.required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
    if (refuses && values.length > 0)
      errors.push(
        fieldError.forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"),
      )
    if (!needs && !refuses) errors.push(fieldError.invalid(`${at}.operator`, operator, 'not a valid selector operator'))
    errors.push(...nameErrors(key, `${at}.key`, qualifiedName))
    return [...errors, ...values.flatMap((value, j) => nameErrors(value, `${at}.values[${j}]`, labelValue))]
  })
  return [...labels, ...requirements]
}

function clientErrors({ url, service }: ClientConfig, path: string): FieldError[] {
  if ((url === undefined) === (service === undefined))
    return [fieldError.required(path, 'exactly one of url or service is required')]
  if (url !== undefined) return urlErrors(url, `${path}.url`)
  const { name = '', namespace = '', port = 443, path: route } = service!
  const at = `${path}.service`
  const errors: FieldError[] = []
  if (name === '') errors.push(fieldError.required(`${at}.name`))
  if (namespace === '') errors.push(fieldError.required(`${at}.namespace`))
  errors.push(...portNumber(port).map((text) => fieldError.invalid(`${at}.port`, port, `port is not valid: ${text}`)))
  return [...errors, ...(route === undefined ? [] : routeErrors(route, `${at}.path`))]
}

function routeErrors(route: string, path: string): FieldError[] {
  if (route === '/') return []
  const wrong = (text: string): FieldError => fieldError.invalid(path, route, text)
  const errors = route.startsWith('/') ? [] : [wrong("must start with a '/'")]
  const steps = route.slice(1).split('/')
  if (steps.length > 1 && steps.at(-1) === '') steps.pop()
  return [
    ...errors,
    ...steps.flatMap((step, i) =>
      step === ''
        ? [wrong(`segment[${i}] may not be empty`)]
        : dns1123Subdomain(step).map((text) => wrong(`segment[${i}]: ${text}`)),
    ),
  ]
}

/** Scheme, user information, host, query and fragment, as far as the text has them. */
const URL_PARTS = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/(?:([^/?#@]*)@)?([^/?#]*))?[^?#]*(?:\?([^#]*))?(?:#(.*))?$/is

function urlErrors(text: string, path: string): FieldError[] {
  const [, scheme = '', user, host = '', query = '', fragment = ''] = URL_PARTS.exec(text)!
  const errors: FieldError[] = []
  const wrong = (value: string, why: string): number => errors.push(fieldError.invalid(path, value, why))
  if (scheme !== 'https') wrong(scheme, `'https' is the only allowed URL scheme${URL_FORM}`)
  if (host === '') wrong(host, `host must be specified${URL_FORM}`)
  if (user !== undefined) wrong(user, 'user information is not permitted in the URL')
  if (fragment !== '') wrong(fragment, 'fragments are not permitted in the URL')
  if (query !== '') wrong(query, 'query parameters are not permitted in the URL')
  return errors
}

function conditionErrors(conditions: NonNullable<Webhook['matchConditions']>, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (conditions.length > MAX_CONDITIONS) errors.push(fieldError.tooMany(path, conditions.length, MAX_CONDITIONS))
  const names = new Set<string>()
  for (const [i, { name = '', expression = '' }] of conditions.entries()) {
    const at = `${path}[${i}]`
    if (expression.trim() === '') errors.push(fieldError.required(`${at}.expression`))
    if (name === '') errors.push(fieldError.required(`${at}.name`))
    else errors.push(...nameErrors(name, `${at}.name`, qualifiedName))
    if (name !== '' && names.has(name)) errors.push(fieldError.duplicate(`${at}.name`, name))
    names.add(name)
  }
  return errors
}

function reviewVersionErrors(versions: readonly string[], path: string): FieldError[] {
  if (versions.length === 0) return [fieldError.required(path, `must specify one of ${REVIEW_VERSIONS.join(', ')}`)]
  const seen = new Set<string>()
  const errors: FieldError[] = []
  for (const [i, version] of versions.entries()) {
    if (seen.has(version)) errors.push(fieldError.invalid(`${path}[${i}]`, version, 'duplicate version'))
    else errors.push(...nameErrors(version, `${path}[${i}]`, dns1035Label))
    seen.add(version)
  }
  if (versions.some((version) => REVIEW_VERSIONS.includes(version))) return errors
  return [...errors, fieldError.invalid(path, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`)]
}

/** Defaults of admissionregistration.k8s.io/v1. */
import { type Defaulter, type Fields, listAt, objectAt, objectIn } from './defaulting.ts'

const TIMEOUT_SECONDS = 10
const HTTPS = 443

export const ADMISSION_DEFAULTERS: ReadonlyMap<string, Defaulter> = new Map<string, Defaulter>([
  ['ValidatingWebhookConfiguration', (o) => listAt(o, 'webhooks').forEach(defaultWebhook)],
  [
    'MutatingWebhookConfiguration',
    (o) => {
      for (const webhook of listAt(o, 'webhooks')) {
        defaultWebhook(webhook)
        webhook['reinvocationPolicy'] ??= 'Never'
      }
    },
  ],
  ['ValidatingAdmissionPolicy', defaultPolicy],
  ['MutatingAdmissionPolicy', defaultPolicy],
  ['ValidatingAdmissionPolicyBinding', defaultBinding],
  ['MutatingAdmissionPolicyBinding', defaultBinding],
])

function defaultWebhook(webhook: Fields): void {
  webhook['failurePolicy'] ??= 'Fail'
  defaultMatch(webhook)
  webhook['timeoutSeconds'] ??= TIMEOUT_SECONDS
  const service = objectIn(objectIn(webhook, 'clientConfig') ?? {}, 'service')
  if (service) service['port'] ??= HTTPS
  defaultRules(webhook, 'rules')
}

function defaultPolicy(policy: Fields): void {
  const spec = objectAt(policy, 'spec')
  spec['failurePolicy'] ??= 'Fail'
  defaultResources(objectIn(spec, 'matchConstraints'))
}

function defaultBinding(binding: Fields): void {
  defaultResources(objectIn(objectIn(binding, 'spec') ?? {}, 'matchResources'))
}

function defaultResources(match: Fields | undefined): void {
  if (!match) return
  defaultMatch(match)
  defaultRules(match, 'resourceRules')
  defaultRules(match, 'excludeResourceRules')
}

function defaultMatch(match: Fields): void {
  match['matchPolicy'] ??= 'Equivalent'
  match['namespaceSelector'] ??= {}
  match['objectSelector'] ??= {}
}

function defaultRules(owner: Fields, field: string): void {
  for (const rule of listAt(owner, field)) rule['scope'] ??= '*'
}

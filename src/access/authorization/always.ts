import { SYSTEM_MASTERS } from '../groups.ts'
import type { Authorizer, Decision, Rules } from './authorizer.ts'

const ALLOW: Decision = { kind: 'allow', reason: '' }
const NO_OPINION: Decision = { kind: 'no-opinion', reason: '' }

const EVERYTHING: Rules = {
  resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
  nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
  problems: [],
}
const NOTHING: Rules = { resourceRules: [], nonResourceRules: [], problems: [] }

export function alwaysAllow(): Authorizer {
  return { name: 'AlwaysAllow', authorize: () => ALLOW, rulesOf: () => EVERYTHING }
}
export function alwaysDeny(): Authorizer {
  const decision: Decision = { kind: 'no-opinion', reason: 'Everything is forbidden.' }
  return { name: 'AlwaysDeny', authorize: () => decision, rulesOf: () => NOTHING }
}
/** Members of system:masters may do everything, before any other authorizer is asked. */
export function privilegedGroup(): Authorizer {
  return {
    name: 'privileged-group',
    authorize: (a) => (a.user.groups.includes(SYSTEM_MASTERS) ? ALLOW : NO_OPINION),
    rulesOf: (user) => (user.groups.includes(SYSTEM_MASTERS) ? EVERYTHING : NOTHING),
  }
}

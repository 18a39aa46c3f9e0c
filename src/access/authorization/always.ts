import { SYSTEM_MASTERS } from '../groups.ts'
import type { Authorizer, Decision } from './authorizer.ts'

const ALLOW: Decision = { kind: 'allow', reason: '' }
const NO_OPINION: Decision = { kind: 'no-opinion', reason: '' }

export function alwaysAllow(): Authorizer {
  return { name: 'AlwaysAllow', authorize: () => ALLOW }
}
export function alwaysDeny(): Authorizer {
  const decision: Decision = { kind: 'no-opinion', reason: 'Everything is forbidden.' }
  return { name: 'AlwaysDeny', authorize: () => decision }
}
/** Members of system:masters may do everything, before any other authorizer is asked. */
export function privilegedGroup(): Authorizer {
  return { name: 'privileged-group', authorize: (a) => (a.user.groups.includes(SYSTEM_MASTERS) ? ALLOW : NO_OPINION) }
}

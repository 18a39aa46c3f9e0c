/** Leases. Source: coordination validation of Kubernetes. */
import { type FieldError, fieldError } from '../../../api/field-error.ts'
import type { KubeObject } from '../../../api/meta.ts'
import { qualifiedName } from '../../../api/names.ts'
import { nameErrors } from './field-checks.ts'

export interface Lease extends KubeObject {
  readonly spec?: {
    readonly leaseDurationSeconds?: number
    readonly leaseTransitions?: number
    readonly strategy?: string
    readonly preferredHolder?: string
  }
}

export function validateLease({ spec = {} }: Lease): FieldError[] {
  const { leaseDurationSeconds: duration, leaseTransitions: transitions, strategy, preferredHolder = '' } = spec
  const errors: FieldError[] = []
  if (duration !== undefined && duration <= 0)
    errors.push(fieldError.invalid('spec.leaseDurationSeconds', duration, 'must be greater than 0'))
  if (transitions !== undefined && transitions < 0)
    errors.push(fieldError.invalid('spec.leaseTransitions', transitions, 'must be greater than or equal to 0'))
  if (strategy !== undefined) errors.push(...strategyErrors(strategy))
  if (preferredHolder !== '' && (strategy ?? '') === '')
    errors.push(fieldError.forbidden('spec.preferredHolder', 'may only be specified if `strategy` is defined'))
  return errors
}

function strategyErrors(strategy: string): FieldError[] {
  if (strategy.includes('/')) return nameErrors(strategy, 'spec.strategy', qualifiedName)
  return strategy === 'OldestEmulationVersion'
    ? []
    : [fieldError.notSupported('spec.strategy', strategy, ['OldestEmulationVersion'])]
}

import { StatusError } from '../api/status-error.ts'

/** Whether the object was changed (409) or deleted (404) meanwhile: our copy is a step behind, and its event will come. */
export function isStale(error: unknown): boolean {
  return isConflict(error) || isNotFound(error)
}
export function isNotFound(error: unknown): boolean {
  return error instanceof StatusError && error.code === 404
}
export function isConflict(error: unknown): boolean {
  return error instanceof StatusError && error.code === 409
}

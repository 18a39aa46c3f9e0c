import type { GroupResource } from '../api/group-version.ts'
import {
  StatusError,
  expired,
  internalError,
  notFound,
  requestEntityTooLarge,
  serverTimeout,
} from '../api/status-error.ts'
import { StorageError } from '../storage/storage.ts'

const RETRY_AFTER_S = 2

/** What a client is told of a storage error. Anything else is returned as it is. */
export function fromStorageError(thrown: unknown, gr: GroupResource, operation: string, name = ''): unknown {
  if (thrown instanceof StatusError || !(thrown instanceof StorageError)) return thrown
  switch (thrown.code) {
    case 'not-found':
      return notFound(gr, name)
    case 'compacted':
      return expired('The resourceVersion for the provided list is too old.')
    case 'too-large':
      return requestEntityTooLarge(`the object is too large to be stored: ${thrown.message}`)
    case 'corrupt':
      return internalError(`a stored object of ${gr.resource} cannot be read`, thrown)
    default:
      return serverTimeout(gr, operation, RETRY_AFTER_S, thrown)
  }
}

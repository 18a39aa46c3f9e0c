import type { KubeObject } from '../api/meta.ts'
import type { Status } from '../api/status-error.ts'
import type { Resource } from '../registry/resource.ts'

/** The answer to a delete that is done. It has no code: kube-apiserver sends none. */
export function deletedStatus(r: Resource, object: KubeObject): Status {
  const { name, uid } = object.metadata
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: {
      ...(name === undefined ? {} : { name }),
      ...(r.group === '' ? {} : { group: r.group }),
      kind: r.resource,
      ...(uid === undefined ? {} : { uid }),
    },
  }
}

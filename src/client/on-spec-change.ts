/** For controllers that follow the spec of objects and not their status. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../api/meta.ts'
import type { Informer } from './informer.ts'

/** Calls wake for objects that come, go, are made anew, or have another spec than before. The result ends it. */
export function onSpecChange<T extends KubeObject & { readonly spec?: unknown }>(
  informer: Pick<Informer<T>, 'addHandler'>,
  wake: (object: T) => void,
): () => void {
  return informer.addHandler({
    added: wake,
    updated: (before, after) => {
      if (before.metadata.uid !== after.metadata.uid || !isDeepStrictEqual(before.spec, after.spec)) wake(after)
    },
    deleted: wake,
  })
}

/** Strategies that many kinds share, and how a kind's module becomes one. */
import { isDeepStrictEqual } from 'node:util'
import type { KubeObject } from '../../api/meta.ts'
import type { Strategy } from '../../registry/strategy.ts'
import type { BuiltinKind } from './builtin-kind.ts'
import type { ResourceTable } from './rows.ts'

type Fields = KubeObject & Record<string, unknown>

/** Status written by its own path only: the main resource keeps what is stored. */
export function keepStatus(obj: KubeObject, old: KubeObject | undefined): void {
  const target = obj as Fields
  const stored = (old as Fields | undefined)?.['status']
  if (stored === undefined) delete target['status']
  else target['status'] = stored
}

type View<T extends KubeObject> = Pick<Strategy<T>, 'prepare' | 'resetFields'> & Partial<Strategy<T>>

/** A view of a resource's object. Validation, last touches and what holds a deleted object are the resource's own, unless the view has others. */
export function view<T extends KubeObject>(main: Strategy<T>, own: View<T>): Strategy<T> {
  const { allowUnconditionalUpdate } = main
  return {
    allowCreateOnUpdate: false,
    allowUnconditionalUpdate,
    validate: (w, obj, old) => main.validate(w, obj, old),
    ...(main.canonicalize ? { canonicalize: (obj) => main.canonicalize!(obj) } : {}),
    ...(main.heldBy ? { heldBy: (obj) => main.heldBy!(obj) } : {}),
    ...own,
  }
}

/** Only the status is taken; all else, metadata but for what the server carries included, stays. */
export function statusView<T extends KubeObject>(main: Strategy<T>, own: Partial<Strategy<T>> = {}): Strategy<T> {
  return view(main, {
    resetFields: ['spec'],
    prepare: (_w, obj, old) => {
      const { status } = obj as KubeObject as Fields
      const { resourceVersion, ...metadata } = obj.metadata
      Object.assign(obj, structuredClone(old), {
        status,
        metadata: { ...metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
      })
      if (status === undefined) delete (obj as KubeObject as Fields)['status']
    },
    ...own,
  })
}

/** Prepares kinds whose generation counts the changes of one field, and whose status, where there is one, has its own path. */
function countsChanges(table: ResourceTable, field: string): Strategy['prepare'] {
  const hasStatus = table.subresources?.some((s) => s.name === 'status') ?? false
  return (_w, obj, old) => {
    if (hasStatus) keepStatus(obj, old)
    if (!old) obj.metadata.generation = 1
    else if (!isDeepStrictEqual((obj as Fields)[field], (old as Fields)[field]))
      obj.metadata.generation = (old.metadata.generation ?? 0) + 1
  }
}

export function strategyOf(table: ResourceTable, kind: BuiltinKind): Strategy {
  const { generationOf, allowCreateOnUpdate = false, allowUnconditionalUpdate = true } = table
  return {
    allowCreateOnUpdate,
    allowUnconditionalUpdate,
    ...(table.subresources?.some((s) => s.name === 'status') ? { resetFields: ['status'] } : {}),
    prepare: generationOf === undefined ? () => {} : countsChanges(table, generationOf),
    ...kind.strategy,
    validate: (w, obj, old) => [
      ...(kind.strategy?.validate?.(w, obj, old) ?? []),
      ...(kind.validate?.(obj, old) ?? []),
    ],
  }
}

/** @returns undefined for a subresource that this server does not serve: discovery leaves it out. */
export function viewOf(name: string, main: Strategy, kind: BuiltinKind): Strategy | undefined {
  const view = kind.views?.[name] ?? (name === 'status' && !kind.views ? statusView : undefined)
  return view?.(main)
}

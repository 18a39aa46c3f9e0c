/** The strategies of the core server's resources. Kinds without a line here keep to the plain one. */
import type { KubeObject } from '../../api/meta.ts'
import { dns1123Label } from '../../api/names.ts'
import type { Strategy } from '../../registry/strategy.ts'
import { finalizeStrategy, namespaceStatusStrategy, namespaceStrategy } from './namespace/namespace-strategy.ts'
import type { ResourceTable } from './tables.ts'

type Fields = KubeObject & Record<string, unknown>

/** A resource whose objects are stored as they come, once they are valid. */
export function plainStrategy(table: ResourceTable): Strategy {
  return {
    allowCreateOnUpdate: table.allowCreateOnUpdate ?? false,
    allowUnconditionalUpdate: table.allowUnconditionalUpdate ?? true,
    prepare: () => {},
    validate: () => [],
  }
}

/** Status written by its own path only: the main resource keeps what is stored. */
function keepStatus(obj: KubeObject, old: KubeObject | undefined): void {
  const target = obj as Fields
  const stored = (old as Fields | undefined)?.['status']
  if (stored === undefined) delete target['status']
  else target['status'] = stored
}

/** Only the status is taken; all else, metadata but for what the server carries included, stays. */
export function statusStrategy(main: Strategy): Strategy {
  return {
    ...main,
    allowCreateOnUpdate: false,
    prepare: (_w, obj, old) => {
      const { status } = obj as Fields
      const { resourceVersion, ...metadata } = obj.metadata
      Object.assign(obj, structuredClone(old), {
        status,
        metadata: { ...metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
      })
      if (status === undefined) delete (obj as Fields)['status']
    },
  }
}

function serviceStrategy(table: ResourceTable): Strategy {
  return { ...plainStrategy(table), returnsDeletedObject: true, prepare: (_w, obj, old) => keepStatus(obj, old) }
}

function endpointSliceStrategy(table: ResourceTable): Strategy {
  return {
    ...plainStrategy(table),
    prepare: (_w, obj, old) => {
      if (!old) obj.metadata.generation = 1
      else if (differs(obj, old)) obj.metadata.generation = (old.metadata.generation ?? 0) + 1
    },
  }
}

function differs(a: KubeObject, b: KubeObject): boolean {
  const { metadata: ma, ...ra } = a
  const { metadata: mb, ...rb } = b
  return JSON.stringify([ra, ma.labels]) !== JSON.stringify([rb, mb.labels])
}

function secretStrategy(table: ResourceTable): Strategy {
  return {
    ...plainStrategy(table),
    prepare: (_w, obj, old) => {
      const secret = obj as Fields
      const stringData = secret['stringData'] as Record<string, string> | undefined
      if (stringData) {
        const encoded = Object.entries(stringData).map(([k, v]) => [k, Buffer.from(v).toString('base64')])
        secret['data'] = { ...(secret['data'] as object | undefined), ...Object.fromEntries(encoded) }
        delete secret['stringData']
      }
      secret['type'] ||= (old as Fields | undefined)?.['type'] ?? 'Opaque'
    },
  }
}

export function strategyOf(table: ResourceTable): Strategy {
  switch (table.resource) {
    case 'namespaces':
      return namespaceStrategy(plainStrategy(table))
    case 'services':
      return { ...serviceStrategy(table), nameRules: dns1123Label }
    case 'secrets':
      return secretStrategy(table)
    case 'endpointslices':
      return endpointSliceStrategy(table)
    case 'serviceaccounts':
      return { ...plainStrategy(table), returnsDeletedObject: true }
    default:
      return plainStrategy(table)
  }
}

/** @returns undefined for a subresource that this server does not serve: discovery leaves it out. */
export function subresourceStrategyOf(table: ResourceTable, subresource: string): Strategy | undefined {
  const main = strategyOf(table)
  if (table.resource === 'namespaces')
    return subresource === 'status'
      ? namespaceStatusStrategy(main)
      : subresource === 'finalize'
        ? finalizeStrategy(main)
        : undefined
  return subresource === 'status' ? statusStrategy(main) : undefined
}

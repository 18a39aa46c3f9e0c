/** The strategies of the core server's resources. Kinds without a line here keep to the plain one. */
import { isDeepStrictEqual } from 'node:util'
import { formatGroupResource } from '../../api/group-version.ts'
import type { KubeObject } from '../../api/meta.ts'
import { dns1123Label } from '../../api/names.ts'
import type { Strategy } from '../../registry/strategy.ts'
import { applyCoreDefaults } from './core-defaults.ts'
import { finalizeStrategy, namespaceStatusStrategy, namespaceStrategy } from './namespace/namespace-strategy.ts'
import type { ResourceTable } from './tables.ts'
import { normalizedClusterIps } from './validation/service-cluster-ips.ts'
import type { Service } from './validation/service-types.ts'
import { validateServiceStatus } from './validation/service.ts'
import { validatorOf } from './validation/validators.ts'

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

/** Kinds whose generation counts the changes of one field, and whose status, where there is one, has its own path. */
function specStrategy(table: ResourceTable, field: string): Strategy {
  const hasStatus = table.subresources?.some((s) => s.name === 'status') ?? false
  return {
    ...plainStrategy(table),
    prepare: (_w, obj, old) => {
      if (hasStatus) keepStatus(obj, old)
      if (!old) obj.metadata.generation = 1
      else if (!isDeepStrictEqual((obj as Fields)[field], (old as Fields)[field]))
        obj.metadata.generation = (old.metadata.generation ?? 0) + 1
    },
  }
}

function serviceStrategy(table: ResourceTable): Strategy {
  return {
    ...plainStrategy(table),
    returnsDeletedObject: true,
    prepare: (_w, obj, old) => {
      keepStatus(obj, old)
      const service = obj as Service
      const { clusterIP: _ip, clusterIPs: _ips, ...spec } = service.spec
      Object.assign(obj, {
        spec: { ...spec, ...normalizedClusterIps(service.spec, (old as Service | undefined)?.spec) },
      })
    },
  }
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

/** Without coordinated leader election a lease has no strategy; one that is stored already stays. */
function leaseStrategy(table: ResourceTable): Strategy {
  return {
    ...plainStrategy(table),
    prepare: (_w, obj, old) => {
      const spec = (obj as Fields)['spec'] as Record<string, unknown> | undefined
      const stored = (old as Fields | undefined)?.['spec'] as Record<string, unknown> | undefined
      for (const field of ['strategy', 'preferredHolder']) if (stored?.[field] === undefined) delete spec?.[field]
    },
  }
}

/** Of the secrets that a ServiceAccount names only the names are kept: they are in its namespace. */
function serviceAccountStrategy(table: ResourceTable): Strategy {
  return {
    ...plainStrategy(table),
    returnsDeletedObject: true,
    prepare: (_w, obj) => {
      const account = obj as Fields
      const secrets = account['secrets'] as readonly { readonly name?: string }[] | undefined
      if (secrets) account['secrets'] = secrets.map(({ name }) => (name === undefined ? {} : { name }))
    },
  }
}

function ownStrategyOf(table: ResourceTable): Strategy {
  switch (table.resource) {
    case 'namespaces':
      return namespaceStrategy(plainStrategy(table))
    case 'services':
      return { ...serviceStrategy(table), nameRules: dns1123Label }
    case 'secrets':
      return secretStrategy(table)
    case 'leases':
      return leaseStrategy(table)
    case 'endpointslices':
      return endpointSliceStrategy(table)
    case 'serviceaccounts':
      return serviceAccountStrategy(table)
    default:
      return table.generationOf === undefined ? plainStrategy(table) : specStrategy(table, table.generationOf)
  }
}

export function strategyOf(table: ResourceTable): Strategy {
  return withRules(table, ownStrategyOf(table))
}

/** Every kind is defaulted before its strategy sees it, and checked by its validator. */
function withRules(table: ResourceTable, strategy: Strategy): Strategy {
  const validate = validatorOf(groupResourceOf(table))
  return {
    ...strategy,
    prepare: (w, obj, old) => {
      applyCoreDefaults(table.kind, obj)
      strategy.prepare(w, obj, old)
    },
    validate: (w, obj, old) => [...strategy.validate(w, obj, old), ...(validate?.(obj, old) ?? [])],
  }
}

function groupResourceOf({ resource, storageVersion = '' }: ResourceTable): string {
  const group = storageVersion.split('/').slice(0, -1).join('/')
  return formatGroupResource({ group, resource })
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
  if (subresource !== 'status') return undefined
  const status = statusStrategy(main)
  return table.resource === 'services'
    ? { ...status, validate: (_w, obj, old) => validateServiceStatus(obj as Service, old as Service) }
    : status
}

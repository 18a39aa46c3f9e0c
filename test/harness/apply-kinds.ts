/**
 * Field managers for tests of apply: the kinds that the core server has, and three of this file's own. Workload stands
 * for Deployment, with the part of a pod template in which lists and maps of all kinds meet; Widget stands for a custom
 * resource.
 */
import assert from 'node:assert/strict'
import type { KubeObject } from '../../src/api/meta.ts'
import { metaType } from '../../src/api/schema/meta-types.ts'
import { CompiledTypes, type TableFile } from '../../src/api/schema/type-table.ts'
import { FieldManager, type FieldManagerOptions } from '../../src/registry/apply/field-manager.ts'
import { DEDUCED, type ListShape, type MapShape, type MergeShape } from '../../src/api/kinds/merge-shape.ts'
import { TableShapes } from '../../src/api/kinds/table-shapes.ts'
import { CoreTables } from '../../src/servers/core/tables.ts'

export type Json = Record<string, unknown>

const WORKLOADS: TableFile = {
  source: 'test',
  package: 'test',
  model: 'test',
  go: 'v1',
  group: 'test.example.com',
  version: 'v1',
  types: {
    Workload: {
      fields: [
        ['metadata', 'meta.ObjectMeta', 1, { a: 1 }],
        ['spec', 'Spec', 2, { a: 1 }],
        ['status', 'Status', 3, { a: 1 }],
      ],
    },
    Spec: {
      fields: [
        ['replicas', 'int32', 1, { p: 1 }],
        ['selector', 'Selector', 2, { p: 1, a: 1 }],
        ['template', 'Template', 3, { a: 1 }],
        ['paused', 'bool', 4],
        ['raw', 'raw', 5],
        ['nested', 'Spec', 6, { p: 1 }],
      ],
    },
    Status: {
      fields: [
        ['replicas', 'int32', 1],
        ['conditions', '[]Condition', 2, { patch: 'merge', merge: 'type' }],
      ],
    },
    Condition: {
      fields: [
        ['type', 'string', 1, { a: 1 }],
        ['status', 'string', 2, { a: 1 }],
        ['lastTransitionTime', 'time', 3, { a: 1 }],
      ],
    },
    Selector: { map: 'atomic', fields: [['matchLabels', 'map[string]string', 1]] },
    Template: {
      fields: [
        ['metadata', 'meta.ObjectMeta', 1, { a: 1 }],
        ['spec', 'PodSpec', 2, { a: 1 }],
      ],
    },
    PodSpec: {
      fields: [
        ['containers', '[]Container', 1, { a: 1, list: 'map', keys: ['name'] }],
        ['volumes', '[]Volume', 2, { list: 'map', keys: ['name'] }],
        ['tolerations', '[]Toleration', 3, { list: 'atomic' }],
        ['nodeSelector', 'map[string]string', 4, { map: 'atomic' }],
      ],
    },
    Container: {
      fields: [
        ['name', 'string', 1, { a: 1 }],
        ['image', 'string', 2],
        ['args', '[]string', 3, { list: 'atomic' }],
        ['ports', '[]Port', 4, { list: 'map', keys: ['containerPort', 'protocol'] }],
        ['env', '[]EnvVar', 5, { list: 'map', keys: ['name'] }],
        ['resources', 'Resources', 6, { a: 1 }],
      ],
    },
    Port: {
      fields: [
        ['containerPort', 'int32', 1, { a: 1 }],
        ['protocol', 'string', 2, { def: 'TCP' }],
        ['name', 'string', 3],
      ],
    },
    EnvVar: {
      fields: [
        ['name', 'string', 1, { a: 1 }],
        ['value', 'string', 2],
      ],
    },
    Resources: { fields: [['limits', 'map[string]quantity', 1]] },
    Volume: {
      fields: [
        ['name', 'string', 1, { a: 1 }],
        ['emptyDir', 'EmptyDir', 2, { p: 1 }],
      ],
    },
    EmptyDir: { fields: [['medium', 'string', 1]] },
    Toleration: { fields: [['key', 'string', 1]] },
  },
}

export const WORKLOAD = { apiVersion: 'test.example.com/v1', kind: 'Workload' } as const
export const workloadTypes = new CompiledTypes(WORKLOADS, (pkg, name) => (pkg === 'meta' ? metaType(name) : undefined))

/** A field manager of a kind that the core server's tables have, or of Workload. */
export function managerOfKind(apiVersion: string, kind: string, more: Partial<FieldManagerOptions> = {}): FieldManager {
  const type = kind === WORKLOAD.kind ? workloadTypes.type(kind) : new CoreTables().byKind(apiVersion, kind)
  assert(type, `no table for ${kind}`)
  return new FieldManager({ apiVersion, kind, shape: new TableShapes().kind(type), ...more })
}

const NOTHING: ReadonlyMap<string, unknown> = new Map()
/** A struct with these fields and no others, as a structural schema has them. */
export function struct(fields: Readonly<Record<string, MergeShape>>, atomic = false): MapShape {
  return {
    kind: 'map',
    atomic,
    present: NOTHING,
    member: (key) => (Object.hasOwn(fields, key) ? fields[key] : undefined),
    isField: (key) => Object.hasOwn(fields, key),
  }
}
export function mapOf(value: MergeShape, atomic = false): MapShape {
  return { kind: 'map', atomic, present: NOTHING, member: () => value, isField: () => false }
}
export const STRING: MergeShape = { kind: 'scalar', type: 'string' }
export const NUMBER: MergeShape = { kind: 'scalar', type: 'numeric' }
export const listOf = (relation: ListShape['relation'], item: MergeShape, keys: ListShape['keys'] = []): ListShape => ({
  kind: 'list',
  relation,
  item,
  keys,
})

/** What a custom resource with one list and map of each kind has under spec. */
export const WIDGET = { apiVersion: 'test.example.com/v1', kind: 'Widget' } as const
export function widgetShape(spec: Readonly<Record<string, MergeShape>> = {}): MergeShape {
  const item = struct({ k: STRING, j: STRING, v: STRING })
  const keys = [
    { name: 'j', default: 'dj' },
    { name: 'k', default: undefined },
  ]
  return struct({
    apiVersion: STRING,
    kind: STRING,
    metadata: new TableShapes().of(metaType('ObjectMeta')),
    spec: struct({
      m: mapOf(STRING),
      am: mapOf(STRING, true),
      s: listOf('set', STRING),
      al: listOf('atomic', STRING),
      l: listOf('map', item, keys),
      n: NUMBER,
      free: DEDUCED,
      o: struct({ p: STRING, q: STRING }),
      ...spec,
    }),
  })
}

export const asObject = (json: Json): KubeObject => json as unknown as KubeObject

/** managedFields in short: `manager operation apiVersion[/subresource]` and the JSON of the fields, in order. */
export function ownersOf(object: KubeObject): readonly (readonly [string, string])[] {
  return ((object.metadata.managedFields ?? []) as Json[]).map((entry) => [
    [entry['manager'], entry['operation'], entry['apiVersion'], entry['subresource']].filter(Boolean).join(' '),
    JSON.stringify(entry['fieldsV1']),
  ])
}

/** As decoding into a built-in kind leaves an object: without nulls and without empty lists and maps. */
export function conformed<T>(value: T): T {
  return withoutEmpty(value) as T
}
function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, child]) => [key, withoutEmpty(child)] as const)
  return Object.fromEntries(entries.filter(([, child]) => !isEmpty(child)))
}
const isEmpty = (value: unknown): boolean =>
  value === null || (typeof value === 'object' && Object.keys(value).length === 0)

export const configMaps = managerOfKind('v1', 'ConfigMap')
export const services = managerOfKind('v1', 'Service')
export const workloads = managerOfKind(WORKLOAD.apiVersion, WORKLOAD.kind)
export const widgets = new FieldManager({ ...WIDGET, shape: widgetShape() })

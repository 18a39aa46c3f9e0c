/** `as=Table`: objects as rows of cells, the columns by the tables of the kinds. */
import { fieldError, fieldErrorMessage } from '../api/field-error.ts'
import type { KubeObject, ListMeta } from '../api/meta.ts'
import { badRequest } from '../api/status-error.ts'
import type { CellFunction } from './cell-values.ts'
import { type CellRule, cellOf } from './table-cells.ts'

export interface Column {
  readonly name: string
  readonly type: string
  readonly format: string
  readonly priority: number
  readonly description: string
  readonly cell: CellRule | CellFunction
}
export type IncludeObject = 'None' | 'Metadata' | 'Object'

/** @throws StatusError 400. */
export function parseIncludeObject(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? ''
  if (value === '') return 'Metadata'
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value
  const error = fieldError.invalid('includeObject', value, "must be 'Metadata', 'Object', 'None', or empty")
  throw badRequest(`Unable to convert to Table as requested: ${fieldErrorMessage(error)}`)
}

export interface TableRequest {
  readonly columns: readonly Column[]
  readonly include: IncludeObject
  readonly apiVersion: string
  /** For includeObject=Object: the object as clients of the version see it. */
  readonly typed: (object: KubeObject) => KubeObject
  /** Wall time in ms, for ages. */
  readonly now: number
}

/** @param objects of the store: cells are the same in all versions. */
export function toTable(
  objects: readonly KubeObject[],
  metadata: ListMeta,
  o: TableRequest,
  withColumns = true,
): object {
  return {
    kind: 'Table',
    apiVersion: o.apiVersion,
    metadata,
    columnDefinitions: withColumns
      ? o.columns.map(({ name, type, format, description, priority }) => ({
          name,
          type,
          format,
          description,
          priority,
        }))
      : null,
    rows: objects.map((object) => ({
      cells: o.columns.map((c) => cellOf(c.cell, object, o.now)),
      object: rowObject(object, o),
    })),
  }
}

function rowObject(object: KubeObject, o: TableRequest): unknown {
  if (o.include === 'None') return null
  if (o.include === 'Object') return o.typed(object)
  return { kind: 'PartialObjectMetadata', apiVersion: o.apiVersion, metadata: object.metadata }
}

/** What an OpenAPI document says of a kind: a type of the tables, or a schema that is JSON already. */
import type { ObjectType } from './type-table.ts'

export interface JsonSchema {
  /** `com.example.v1.Widget`. */
  readonly model: string
  /** `Widget`. */
  readonly name: string
  /** Without apiVersion, kind and metadata. @param version of the OpenAPI document. */
  json(version: 2 | 3): Readonly<Record<string, unknown>>
}
export type SchemaSource = ObjectType | JsonSchema

/** The answer to an apply that would change fields of others. Source: apimachinery's NewConflictError. */
import { goQuote } from '../../api/go-format.ts'
import { type StatusCause, StatusError } from '../../api/status-error.ts'
import { identityOf, type Manager } from './managers.ts'
import type { ConflictError } from './ownership.ts'
import { compareText } from './path-element.ts'

/** 409, with one cause for each field; managers are sorted by what identifies them. */
export function conflictStatus(error: ConflictError): StatusError {
  const byManager = Array.from(error.conflicts)
    .map(([manager, fields]) => ({ id: identityOf(manager), name: nameOf(manager), paths: Array.from(fields.texts()) }))
    .toSorted((a, b) => compareText(a.id, b.id))
  const causes: readonly StatusCause[] = byManager.flatMap(({ name, paths }) =>
    paths.map((field) => ({ reason: 'FieldManagerConflict', message: `conflict with ${name}`, field })),
  )
  const text =
    causes.length === 1
      ? `1 conflict: conflict with ${byManager[0]!.name}: ${causes[0]!.field}`
      : `${causes.length} conflicts: ${byManager.map(({ name, paths }) => lines(name, paths)).join('\n')}`
  return new StatusError(409, 'Conflict', `Apply failed with ${text}`, { details: { causes } })
}

const lines = (name: string, paths: readonly string[]): string =>
  [`conflicts with ${name}:`, ...paths.map((path) => `- ${path}`)].join('\n')

function nameOf({ manager, subresource, operation, apiVersion }: Manager): string {
  const name = goQuote(manager) + (subresource === '' ? '' : ` with subresource ${goQuote(subresource)}`)
  return operation === 'Update' ? `${name} using ${apiVersion}` : name
}

/** `portico check`: whether files of APIServices and BackendPolicies can be used; needs no server. */
import type { APIService } from '../api/apiservice.ts'
import type { BackendPolicy } from '../api/backend-policy.ts'
import { type BackendDocuments, checkBackendFiles, type CheckedDocument } from '../app/files/backend-files.ts'
import { ConfigurationError } from '../app/config/configuration-error.ts'
import { ambiguousPriorities, overlappingPolicies } from '../servers/aggregator/kinds/ambiguity.ts'
import { policiesFor } from '../servers/aggregator/policy/effective-policy.ts'
import { CoreTables } from '../servers/core/tables.ts'
import { parseOptions } from './server-connection.ts'

export const CHECK_HELP = `Usage: portico check -f <file or folder> [-f ...]

Reads APIServices and BackendPolicies as --backends-config would, and tells what is wrong with each.
Exit code: 0 all can be used, 1 something is wrong, 2 usage.
`
const WRONG = 1

/** @throws ConfigurationError */
export async function check(args: readonly string[]): Promise<number> {
  const paths = pathsOf(args)
  const types = new CoreTables()
  const checked = paths.flatMap((path) => checkBackendFiles(path, types))
  if (checked.length === 0) throw new ConfigurationError(`no documents in ${paths.join(', ')}`)
  const apiServices = checked.flatMap(({ object }) => (object?.kind === 'APIService' ? [object as APIService] : []))
  const policies = checked.flatMap(({ object, errors }) =>
    errors.length === 0 && object?.kind === 'BackendPolicy' ? [object as BackendPolicy] : [],
  )
  for (const document of checked) {
    for (const line of linesOf(document, { apiServices, policies })) process.stdout.write(`${line}\n`)
  }
  return checked.some((c) => c.errors.length > 0) ? WRONG : 0
}

function pathsOf(args: readonly string[]): string[] {
  const options = { filename: { type: 'string', short: 'f', multiple: true } } as const
  const { values } = parseOptions({ args: [...args], options })
  if (!values.filename) throw new ConfigurationError('check needs -f <file or folder>')
  return values.filename
}

function linesOf(
  { where, object, errors, warnings }: CheckedDocument,
  { apiServices, policies }: BackendDocuments,
): string[] {
  const what = object ? `${where}: ${object.kind} ${object.metadata.name}` : where
  if (errors.length > 0) return errors.map((e) => `${what}: error: ${e}`)
  const notes = [...warnings]
  if (object?.kind === 'APIService') notes.push(...ambiguousPriorities(object as APIService, apiServices))
  if (object?.kind === 'BackendPolicy') {
    const policy = object as BackendPolicy
    if (!apiServices.some((a) => policiesFor(a, [policy]).length > 0))
      notes.push('no APIService of these files is a target')
    notes.push(...overlappingPolicies(policy, policies, apiServices))
  }
  return [`${what}: ok`, ...notes.map((n) => `${what}: warning: ${n}`)]
}

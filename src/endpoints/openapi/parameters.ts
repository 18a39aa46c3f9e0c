/** The query and path parameters of the API's operations. */
export interface QueryParameter {
  readonly name: string
  readonly type: 'string' | 'integer' | 'boolean'
  readonly description: string
}
const parameter = (name: string, type: QueryParameter['type'], description: string): QueryParameter => ({
  name,
  type,
  description,
})

const dryRun = parameter('dryRun', 'string', 'All: nothing is stored, everything else happens.')
const fieldManager = parameter('fieldManager', 'string', 'Name of who makes the change, for managedFields.')
const fieldValidation = parameter(
  'fieldValidation',
  'string',
  'What happens to unknown and repeated fields: Ignore, Warn (the default) or Strict.',
)
const force = parameter('force', 'boolean', 'Apply takes over fields that others manage.')
const timeoutSeconds = parameter('timeoutSeconds', 'integer', 'Ends a list or watch after this many seconds.')
const selection: readonly QueryParameter[] = [
  parameter('continue', 'string', 'Token of the next page, from the page before.'),
  parameter('fieldSelector', 'string', 'Restricts the objects by their fields.'),
  parameter('labelSelector', 'string', 'Restricts the objects by their labels.'),
  parameter('limit', 'integer', 'Most objects of one page.'),
  parameter('resourceVersion', 'string', 'State to read, or to watch from.'),
  parameter('resourceVersionMatch', 'string', 'How resourceVersion is meant: NotOlderThan or Exact.'),
  parameter('sendInitialEvents', 'boolean', 'A watch starts with the present state.'),
]
const deletion: readonly QueryParameter[] = [
  parameter('gracePeriodSeconds', 'integer', 'Seconds before the object is deleted.'),
  parameter(
    'ignoreStoreReadErrorWithClusterBreakingPotential',
    'boolean',
    'Deletes an object even if it cannot be read from the storage.',
  ),
  parameter('orphanDependents', 'boolean', 'Deprecated: use propagationPolicy.'),
  parameter('propagationPolicy', 'string', 'What becomes of dependents: Orphan, Background or Foreground.'),
]

export const LIST: readonly QueryParameter[] = sorted([
  ...selection,
  timeoutSeconds,
  parameter('allowWatchBookmarks', 'boolean', 'A watch may send bookmarks.'),
  parameter('watch', 'boolean', 'Watch for changes instead of listing.'),
])
export const WRITE: readonly QueryParameter[] = [dryRun, fieldManager, fieldValidation]
export const PATCH: readonly QueryParameter[] = [...WRITE, force]
export const DELETE: readonly QueryParameter[] = sorted([dryRun, ...deletion])
export const DELETE_COLLECTION: readonly QueryParameter[] = sorted([dryRun, timeoutSeconds, ...selection, ...deletion])

export const PRETTY: QueryParameter = parameter('pretty', 'string', "If 'true', the answer is indented.")

/** Names in braces, in the order of the path, with what they are. */
export function pathParametersOf(path: string): readonly { readonly name: string; readonly description: string }[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map((m) => ({ name: m[1]!, description: PATH_PARAMETERS[m[1]!] ?? '' }))
}
const PATH_PARAMETERS: Readonly<Record<string, string>> = {
  name: 'name of the object',
  namespace: 'namespace of the object',
}

function sorted(parameters: readonly QueryParameter[]): readonly QueryParameter[] {
  return parameters.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

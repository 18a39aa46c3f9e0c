/**
 * `--runtime-config`: which group versions and resources of the core server are on. What comes later in this list wins:
 * `api/all`, `api/ga`, `api/beta`, `api/alpha`, `<group>/<version>`, `<group>/<version>/<resource>`. `v1` is the core group.
 *
 * Source: Kubernetes v1.35, whose errors are kept. Versions that Kubernetes once had are no error but a warning.
 */
export interface GroupVersionState {
  readonly group: string
  readonly version: string
  readonly isOnByDefault: boolean
}
export interface RuntimeConfig {
  isOn(this: void, group: string, version: string, resource: string): boolean
  /** A resource of the core server that is not served. */
  isOff(this: void, group: string, version: string, resource: string): boolean
  /** Lines for the log. */
  readonly warnings: readonly string[]
}

/** The value of an entry is not a boolean, or its key names nothing. */
export class RuntimeConfigError extends Error {
  override readonly name = 'RuntimeConfigError'
}

const STAGES: readonly (readonly [key: string, version: RegExp])[] = [
  ['api/all', /^/],
  ['api/ga', /^v\d+$/],
  ['api/beta', /^v\d+beta\d+$/],
  ['api/alpha', /^v\d+alpha\d+$/],
]
/** Versions that Kubernetes has served, and serves no more. */
const ONCE_SERVED = new Set([
  'admissionregistration.k8s.io/v1beta1',
  'apiextensions.k8s.io/v1beta1',
  'apiregistration.k8s.io/v1beta1',
  'apps/v1beta1',
  'apps/v1beta2',
  'auditregistration.k8s.io/v1alpha1',
  'authentication.k8s.io/v1alpha1',
  'authentication.k8s.io/v1beta1',
  'authorization.k8s.io/v1beta1',
  'autoscaling/v2alpha1',
  'autoscaling/v2beta1',
  'autoscaling/v2beta2',
  'batch/v1beta1',
  'batch/v2alpha1',
  'certificates.k8s.io/v1beta1',
  'coordination.k8s.io/v1beta1',
  'discovery.k8s.io/v1alpha1',
  'discovery.k8s.io/v1beta1',
  'events.k8s.io/v1beta1',
  'extensions/v1beta1',
  'flowcontrol.apiserver.k8s.io/v1alpha1',
  'flowcontrol.apiserver.k8s.io/v1beta1',
  'flowcontrol.apiserver.k8s.io/v1beta2',
  'flowcontrol.apiserver.k8s.io/v1beta3',
  'networking.k8s.io/v1alpha1',
  'networking.k8s.io/v1beta1',
  'node.k8s.io/v1alpha1',
  'node.k8s.io/v1beta1',
  'policy/v1beta1',
  'rbac.authorization.k8s.io/v1alpha1',
  'rbac.authorization.k8s.io/v1beta1',
  'resource.k8s.io/v1alpha1',
  'resource.k8s.io/v1alpha2',
  'scheduling.k8s.io/v1alpha1',
  'scheduling.k8s.io/v1beta1',
  'settings.k8s.io/v1alpha1',
  'storage.k8s.io/v1alpha1',
  'storage.k8s.io/v1beta1',
])

/** @param entries `key=true`, `key=false`, or a key alone, which is true. @throws RuntimeConfigError in upstream's words. */
export function readRuntimeConfig(entries: readonly string[], known: readonly GroupVersionState[]): RuntimeConfig {
  const given = new Map(entries.map(readEntry))
  const isKnown = (gv: string): boolean => known.some((k) => idOf(k.group, k.version) === gv)
  const groups = new Set(known.map((k) => k.group))
  const warnings: string[] = []
  if (given.size === 1 && given.get('api/all') === false)
    throw new RuntimeConfigError('invalid key with only api/all=false')
  for (const key of given.keys()) {
    if (STAGES.some(([stage]) => stage === key)) continue
    const gv = groupVersionOf(key)
    if (isKnown(gv)) continue
    if (ONCE_SERVED.has(gv)) warnings.push(`--runtime-config: ${key} is served no more`)
    else if (groups.has(gv.split('/')[0]!))
      throw new RuntimeConfigError(`group version ${gv} that has not been registered`)
    else throw new RuntimeConfigError(`unknown api groups ${gv.split('/')[0]}`)
  }
  const defaults = new Map(known.map((k) => [idOf(k.group, k.version), k.isOnByDefault]))
  const isOn: RuntimeConfig['isOn'] = (group, version, resource) => {
    const gv = idOf(group, version)
    const stages = STAGES.filter(([, matches]) => matches.test(version)).map(([stage]) => given.get(stage))
    const wanted = [defaults.get(gv), ...stages, given.get(gv), given.get(`${gv}/${resource}`)]
    return wanted.findLast((value) => value !== undefined) ?? false
  }
  return {
    warnings,
    isOn,
    isOff: (group, version, resource) => defaults.has(idOf(group, version)) && !isOn(group, version, resource),
  }
}

function readEntry(entry: string): [key: string, value: boolean] {
  const equals = entry.indexOf('=')
  const [key, text] = equals < 0 ? [entry, ''] : [entry.slice(0, equals), entry.slice(equals + 1)]
  const core = key.startsWith('api/v') ? key.slice('api/'.length) : key
  const isStage = STAGES.some(([stage]) => stage === key)
  if (!isStage && !/^(?:v\d\w*|[^/]+\/v\d\w*)(?:\/[^/]+)?$/.test(core))
    throw new RuntimeConfigError(`runtime-config invalid key ${key}`)
  if (/^(?:|1|t|true)$/i.test(text)) return [core, true]
  if (/^(?:0|f|false)$/i.test(text)) return [core, false]
  throw new RuntimeConfigError(
    isStage
      ? `invalid value ${key}=${text}`
      : `invalid value of ${key}: ${text}, err: strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`,
  )
}

const idOf = (group: string, version: string): string => (group === '' ? version : `${group}/${version}`)
/** `v1` of `v1/pods`, `apps/v1` of `apps/v1/deployments`. */
function groupVersionOf(key: string): string {
  const parts = key.split('/')
  return /^v\d\w*$/.test(parts[0]!) ? parts[0]! : parts.slice(0, 2).join('/')
}

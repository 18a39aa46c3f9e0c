/** Names of API groups, versions, kinds and resources, and how they are printed and ordered. */
export interface GroupVersion {
  readonly group: string
  readonly version: string
}
export interface GroupVersionKind extends GroupVersion {
  readonly kind: string
}
export interface GroupResource {
  readonly group: string
  readonly resource: string
}
export interface GroupVersionResource extends GroupVersion, GroupResource {}

/** `apps/v1`, or `v1` for the core group: the form of apiVersion. */
export function formatGroupVersion(gv: GroupVersion): string {
  return gv.group === '' ? gv.version : `${gv.group}/${gv.version}`
}
/** `/apis/apps/v1`, or `/api/v1` for the core group: where its resources are. */
export function pathOf({ group = '', version = '' }: Partial<GroupVersion>): string {
  return group === '' ? `/api/${version}` : `/apis/${group}/${version}`
}
/** `deployments.apps`, or `pods` for the core group: the form in messages. */
export function formatGroupResource(gr: GroupResource): string {
  return gr.group === '' ? gr.resource : `${gr.resource}.${gr.group}`
}
/** @returns undefined where text has more than one slash. An empty text is the empty group and version. */
export function parseGroupVersion(text: string): GroupVersion | undefined {
  const parts = text.split('/')
  if (parts.length === 1) return { group: '', version: parts[0]! }
  if (parts.length === 2) return { group: parts[0]!, version: parts[1]! }
  return undefined
}

const KUBE_VERSION = /^v([1-9][0-9]*)(?:(alpha|beta)([1-9][0-9]*))?$/
const STAGE: Record<string, number> = { alpha: 0, beta: 1 }

/**
 * Orders versions best first: GA before beta before alpha, higher numbers before lower, names that
 * are no Kubernetes versions last and ascending. Source: apimachinery's kube-aware version compare.
 */
export function compareVersions(a: string, b: string): number {
  if (a === b) return 0
  const ma = KUBE_VERSION.exec(a)
  const mb = KUBE_VERSION.exec(b)
  if (!ma && !mb) return a < b ? -1 : 1
  if (!ma) return 1
  if (!mb) return -1
  const stage = (m: RegExpExecArray): number => (m[2] === undefined ? 2 : STAGE[m[2]]!)
  return stage(mb) - stage(ma) || Number(mb[1]) - Number(ma[1]) || Number(mb[3] ?? 0) - Number(ma[3] ?? 0)
}

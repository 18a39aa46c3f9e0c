/** What `/version` says: Portico speaks as this release of Kubernetes. */
export const KUBERNETES_MINOR = '35'
export interface VersionInfo {
  readonly major: string
  readonly minor: string
  readonly emulationMajor: string
  readonly emulationMinor: string
  readonly minCompatibilityMajor: string
  readonly minCompatibilityMinor: string
  readonly gitVersion: string
  readonly gitCommit: string
  readonly gitTreeState: string
  readonly buildDate: string
  readonly goVersion: string
  readonly compiler: string
  readonly platform: string
}

/** @param porticoVersion of package.json; shown as build metadata, which clients' version checks ignore. */
export function versionInfo(porticoVersion: string): VersionInfo {
  return {
    major: '1',
    minor: KUBERNETES_MINOR,
    emulationMajor: '1',
    emulationMinor: KUBERNETES_MINOR,
    minCompatibilityMajor: '1',
    minCompatibilityMinor: String(Number(KUBERNETES_MINOR) - 1),
    gitVersion: `v1.${KUBERNETES_MINOR}.0+portico-${porticoVersion}`,
    gitCommit: '',
    gitTreeState: '',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: `node ${process.version}`,
    compiler: 'v8',
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  }
}

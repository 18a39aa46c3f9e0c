/** The programs beside Node that tests use. Installed from Debian's packages where that is possible: as root with apt-get. */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

export interface Program {
  readonly name: string
  /** Debian package. */
  readonly package: string
}
export const PROGRAMS: readonly Program[] = [
  { name: 'etcd', package: 'etcd-server' },
  { name: 'etcdctl', package: 'etcd-client' },
  { name: 'prometheus', package: 'prometheus' },
  { name: 'promtool', package: 'prometheus' },
  { name: 'kubectl', package: 'kubernetes-client' },
  { name: 'openssl', package: 'openssl' },
  { name: 'curl', package: 'curl' },
]

const FOLDERS = (process.env['PATH'] ?? '').split(':')

/** @returns its path; undefined where it is not installed. */
export function programPath(name: string): string | undefined {
  return FOLDERS.map((folder) => `${folder}/${name}`).find((path) => existsSync(path))
}

/** Best effort: a test whose program is still missing says so itself. */
export function installPrograms(): void {
  const missing = [...new Set(PROGRAMS.filter((p) => !programPath(p.name)).map((p) => p.package))]
  if (missing.length === 0 || process.getuid?.() !== 0 || !programPath('apt-get')) return
  console.error(`Installing ${missing.join(', ')} ...`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // Packages of servers start them: tests start their own.
  const policy = '/usr/sbin/policy-rc.d'
  const keepQuiet = existsSync(policy)
    ? ''
    : `printf '#!/bin/sh\\nexit 101\\n' > ${policy} && chmod +x ${policy} && trap 'rm -f ${policy}' EXIT;`
  const script = `${keepQuiet} apt-get update -qq && apt-get install -y -qq --no-install-recommends ${missing.join(' ')}`
  const done = spawnSync('bash', ['-c', script], { stdio: ['ignore', 'ignore', 'inherit'], env })
  if (done.status !== 0) console.error(`could not install them; try: apt-get install ${missing.join(' ')}`)
}

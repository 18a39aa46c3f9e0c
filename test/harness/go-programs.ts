/** Programs in Go that tests run beside us, built once a machine from the public module proxy. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { programPath } from '../../scripts/programs.ts'

const run = promisify(execFile)
/** On two busy cores, with an empty module cache. */
const BUILD_MS = 8 * 60_000

export interface GoProgram {
  readonly module: string
  readonly version: string
}
/** The public example of an aggregated API server, built on Kubernetes' generic library. */
export const SAMPLE_APISERVER: GoProgram = { module: 'k8s.io/sample-apiserver', version: 'v0.35.4' }

const cacheFolder = (): string =>
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'portico-test', 'go-programs')
const nameOf = ({ module, version }: GoProgram): string => `${module.split('/').at(-1)}-${version}`

/** A reason to skip, where it is not built and Go is not there to build it. */
export function missingGoProgram(program: GoProgram): string | false {
  if (existsSync(join(cacheFolder(), nameOf(program))) || programPath('go')) return false
  return 'Go is not installed'
}

/** @returns the path of the program, which is built where it is not there yet. */
export async function goProgram(program: GoProgram): Promise<string> {
  const path = join(cacheFolder(), nameOf(program))
  if (existsSync(path)) return path
  const folder = join(cacheFolder(), `building-${process.pid}`)
  await mkdir(folder, { recursive: true })
  const env = { ...process.env, GOBIN: folder, GOFLAGS: '-mod=mod -buildvcs=false -trimpath' }
  await run('go', ['install', `${program.module}@${program.version}`], { env, cwd: folder, timeout: BUILD_MS })
  await rename(join(folder, program.module.split('/').at(-1)!), path)
  return path
}

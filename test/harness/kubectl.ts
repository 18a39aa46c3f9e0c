/** The kubectls of this machine, each run with a home folder of its own. */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { programPath } from '../../scripts/programs.ts'

/** Plain kubectl, and those of other versions beside it where there are some (`kubectl.1.27`). */
export async function installedKubectls(): Promise<readonly string[]> {
  const found = programPath('kubectl')
  if (found === undefined) return []
  const folder = dirname(await realpath(found))
  const others = (await readdir(folder)).filter((name) => /^kubectl\.1\.\d+$/.test(name)).toSorted()
  return [found, ...others.map((name) => join(folder, name))]
}

export interface KubectlResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}
export interface KubectlRun {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  /** Called with all of the standard output so far; true ends the command, as Ctrl-C would. */
  readonly enough?: (stdout: string) => boolean | Promise<boolean>
}

const TIMEOUT_MS = 30_000

export class Kubectl implements AsyncDisposable {
  readonly name: string
  readonly home: string
  readonly #path: string
  readonly #kubeconfig: string

  constructor(path: string, kubeconfig: string, home: string) {
    this.name = basename(path)
    this.#path = path
    this.#kubeconfig = kubeconfig
    this.home = home
  }
  static async create(path: string, kubeconfig: string): Promise<Kubectl> {
    const home = await mkdtemp(join(tmpdir(), 'portico-kubectl-'))
    await mkdir(join(home, '.kube'))
    return new Kubectl(path, kubeconfig, home)
  }

  /** @throws Error where it takes longer than 30 s. */
  run(args: readonly string[], o: KubectlRun = {}): Promise<KubectlResult> {
    const child = spawn(this.#path, args, {
      env: { PATH: process.env['PATH'] ?? '', HOME: this.home, KUBECONFIG: this.#kubeconfig, ...o.env },
    })
    let stdout = ''
    let stderr = ''
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      child.kill('SIGKILL')
    }, TIMEOUT_MS)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      if (o.enough) void Promise.resolve(o.enough(stdout)).then((done) => done && child.kill('SIGINT'))
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.stdin.on('error', () => {}).end(o.stdin ?? '')
    return new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code) => {
        clearTimeout(timer)
        if (timedOut) reject(new Error(`${this.name} ${args.join(' ')} did not end: ${stdout}${stderr}`))
        else resolve({ code, stdout, stderr })
      })
    })
  }

  /** A file in its home. @returns the path. */
  async file(name: string, content: string, mode = 0o600): Promise<string> {
    const path = join(this.home, name)
    await writeFile(path, content, { mode })
    return path
  }

  [Symbol.asyncDispose](): Promise<void> {
    return rm(this.home, { recursive: true, force: true })
  }
}

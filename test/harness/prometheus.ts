/** A real Prometheus that scrapes one server, in a temporary folder, on a free port. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'

export interface Prometheus extends AsyncDisposable {
  readonly url: string
  /** An instant query. */
  query(expression: string): Promise<readonly { metric: Record<string, string>; value: [number, string] }[]>
}

export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

export async function startPrometheus(o: {
  target: string
  ca: string
  cert: string
  key: string
}): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'portico-prometheus-'))
  const file = async (name: string, content: string): Promise<string> => {
    await writeFile(join(folder, name), content, { mode: 0o600 })
    return join(folder, name)
  }
  const tls_config = {
    ca_file: await file('ca.crt', o.ca),
    cert_file: await file('client.crt', o.cert),
    key_file: await file('client.key', o.key),
  }
  const scrape = {
    job_name: 'portico',
    scheme: 'https',
    scrape_interval: '500ms',
    scrape_timeout: '500ms',
    tls_config,
    static_configs: [{ targets: [o.target] }],
  }
  const config = await file('prometheus.yml', stringify({ scrape_configs: [scrape] }))
  const port = await freePort()
  const child = spawn(
    'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: 'ignore' },
  )
  const url = `http://127.0.0.1:${port}`
  await untilReady(url, child)
  return {
    url,
    query: async (expression) => {
      const response = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(expression)}`)
      const answer = (await response.json()) as {
        status: string
        error?: string
        data?: { result: { metric: Record<string, string>; value: [number, string] }[] }
      }
      if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`)
      return answer.data!.result
    },
    [Symbol.asyncDispose]: async () => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}

async function untilReady(url: string, child: ChildProcess): Promise<void> {
  for (;;) {
    if (child.exitCode !== null) throw new Error(`prometheus ended with ${child.exitCode}`)
    const ready = await fetch(`${url}/-/ready`).then(
      (r) => r.ok,
      () => false,
    )
    if (ready) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Names that others chose long ago: Kubernetes' and Node's. promtool only finds fault with their endings. */
const NAMED_BY_OTHERS =
  /^(authenticated_user_requests|authentication_attempts|nodejs_active_(handles|requests|resources)_total) /

/** What promtool says against a page of metrics; empty when it accepts it. */
export function promtoolProblems(text: string): string[] {
  const done = spawnSync('promtool', ['check', 'metrics'], { input: text })
  const lines = `${done.stdout.toString()}${done.stderr.toString()}`.split('\n')
  return lines.filter((line) => line !== '' && !NAMED_BY_OTHERS.test(line))
}

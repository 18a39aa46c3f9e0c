/** `portico doctor`: looks at every APIService from all sides, and says what is wrong and what waits for it. */
import type { APIService } from '../api/apiservice.ts'
import { APISERVICES } from '../api/apiservice.ts'
import { ConfigurationError } from '../app/config/configuration-error.ts'
import type { Client } from '../client/client.ts'
import type { Diagnosis, PhaseName, RoutedDiagnosis } from '../servers/aggregator/diagnosis/report.ts'
import type { Environment } from './environment.ts'
import {
  CONNECTION_HELP,
  CONNECTION_OPTIONS,
  connectToServer,
  explainFailure,
  parseOptions,
} from './server-connection.ts'
import { textTable } from './text-table.ts'

export const DOCTOR_HELP = `Usage: portico doctor [APISERVICE ...] [-o json] [--timeout=60] [--kubeconfig=<file>]

Has a running server look at its APIServices, at the backends that routes of their policies lead to, and at the servers that
it fronts (delegate/<name>), all at once: address, TCP, TLS, readiness, discovery, identity, OpenAPI, streamed lists, latency, and what
waits for them. Exit code: 0 all is well, 1 something is not, 2 the command cannot be run like this.
${CONNECTION_HELP}
`
const OPTIONS = {
  ...CONNECTION_OPTIONS,
  output: { type: 'string', short: 'o' },
  timeout: { type: 'string' },
} as const
const WELL = 0
const FINDINGS = 1
/** Beside each other: a backend that never answers holds up no other. */
const AT_ONCE = 16
const PHASES: readonly PhaseName[] = [
  'resolve',
  'dial',
  'tls',
  'readyz',
  'discovery',
  'identity',
  'openapi',
  'watchlist',
  'latency',
]

type Answer = Diagnosis & { readonly error?: string }

/** @throws ConfigurationError */
export async function doctor(args: readonly string[], env: Environment): Promise<number> {
  const { values, positionals } = parseOptions({ args: [...args], options: OPTIONS, allowPositionals: true })
  if (values.output !== undefined && values.output !== 'json') throw new ConfigurationError('--output: must be json')
  const timeoutS = Number(values.timeout ?? 60)
  if (!(timeoutS > 0)) throw new ConfigurationError('--timeout: must be a number of seconds')
  await using server = connectToServer({ kubeconfig: values.kubeconfig, dataDir: values['data-dir'] }, env)
  const { client } = server
  try {
    const names = positionals.length > 0 ? positionals : await allNames(client)
    const answers = await inParallel(names, async (name): Promise<Answer> => {
      try {
        const signal = AbortSignal.timeout(timeoutS * 1000)
        return (await client.call('GET', diagnosisPath(name), { signal })) as Diagnosis
      } catch (e) {
        const error = explainFailure(server.url, e)
        return {
          apiService: name,
          target: '?',
          available: false,
          phases: [],
          routed: [],
          remarks: [],
          blocks: { namespaces: [] },
          error,
        }
      }
    })
    process.stdout.write(values.output === 'json' ? `${JSON.stringify(answers, null, 2)}\n` : render(answers))
    return answers.some((a) => findingsOf(a).length > 0) ? FINDINGS : WELL
  } catch (e) {
    process.stderr.write(`portico: ${explainFailure(server.url, e)}\n`)
    return FINDINGS
  }
}

const DELEGATE = 'delegate/'
const diagnosisPath = (name: string): string =>
  name.startsWith(DELEGATE)
    ? `/debug/delegates/${name.slice(DELEGATE.length)}/diagnosis`
    : `/debug/apiservices/${name}/diagnosis`

async function allNames(client: Client): Promise<string[]> {
  const [{ items }, delegates] = await Promise.all([
    client.resource<APIService>(APISERVICES).list(),
    client.call('GET', '/debug/delegates') as Promise<readonly string[]>,
  ])
  return [...delegates.map((name) => DELEGATE + name), ...items.map((o) => o.metadata.name!)]
}

async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  const queue = items.entries()
  const worker = async (): Promise<void> => {
    for (const [i, item] of queue) results[i] = await work(item)
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return results
}

const nameOf = ({ apiService }: Answer, { backend }: RoutedDiagnosis): string => `${apiService} [${backend}]`

/** What is wrong, each as one line. */
function findingsOf(answer: Answer): string[] {
  const { apiService, target, available, error, phases, routed, blocks } = answer
  if (error !== undefined) return [`${apiService}: ${error}`]
  const found = [{ name: apiService, phases }, ...routed.map((r) => ({ name: nameOf(answer, r), phases: r.phases }))]
    .flatMap((looked) => looked.phases.map((p) => ({ ...p, name: looked.name })))
    .filter((p) => p.result === 'failed' || p.result === 'warning')
    .map((p) => `${p.name}: ${p.phase}: ${p.message}`)
  if (!available)
    found.unshift(
      target === 'local'
        ? `${apiService}: is not available: no server serves it, and spec.service names none: requests are answered with 404`
        : `${apiService}: is not available: requests are answered with 503`,
    )
  if (blocks.namespaces.length > 0)
    found.push(`${apiService}: cannot be deleted meanwhile: namespaces ${blocks.namespaces.join(', ')}`)
  return found
}

function render(answers: readonly Answer[]): string {
  const apiServices = answers.filter((a) => !a.apiService.startsWith(DELEGATE))
  const local = apiServices.filter((a) => a.target === 'local')
  const head = ['APISERVICE', 'TARGET', 'AVAILABLE', ...PHASES.map((p) => p.toUpperCase()), 'BLOCKS']
  const rows = answers.flatMap((a) => [
    ...(local.includes(a)
      ? []
      : [
          [
            a.apiService,
            a.target,
            a.available ? 'yes' : 'no',
            ...PHASES.map((name) => cell(a.phases, name)),
            a.blocks.namespaces.length === 0 ? '-' : `${a.blocks.namespaces.length} namespaces`,
          ],
        ]),
    ...a.routed.map((r) => [nameOf(a, r), r.target, '-', ...PHASES.map((name) => cell(r.phases, name)), '-']),
  ])
  const findings = answers.flatMap(findingsOf)
  const remarks = answers.flatMap((x) => x.remarks.map((text) => `- ${x.apiService}: ${text}\n`))
  return [
    rows.length === 0 ? '' : `${textTable([head, ...rows])}\n`,
    `${apiServices.length} APIServices, ${local.length} of them served by the server itself.\n`,
    findings.length === 0 ? 'All is well.\n' : `\n${findings.map((f) => `- ${f}\n`).join('')}`,
    remarks.length === 0 ? '' : `\nBy the way:\n${remarks.join('')}`,
  ].join('')
}
function cell(phases: Answer['phases'], name: PhaseName): string {
  const phase = phases.find((p) => p.phase === name)
  if (!phase || phase.result === 'skipped') return '-'
  return name === 'latency' && phase.result === 'ok' ? phase.message : phase.result
}

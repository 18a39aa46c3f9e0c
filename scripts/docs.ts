/** `npm run docs`: writes the pages of docs/ that come from the code. test/docs/generated.test.ts fails when one is stale. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { completeConfig } from '../src/app/config/config.ts'
import { OPTIONS, type Option, environmentName } from '../src/app/config/options.ts'
import { readOptions } from '../src/app/config/read-options.ts'
import { startServer } from '../src/app/run/wire.ts'
import { describedFilters } from '../src/servers/generic/described-filters.ts'
import { noopLogger } from '../src/observability/logger.ts'

const root = join(import.meta.dirname, '..')
const CHAIN = 'src/servers/generic/handler-chain.ts'
const ERRORS = 'src/api/status-error.ts'
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** @returns name under docs/ to content. */
export async function generatedPages(): Promise<Record<string, string>> {
  return { 'flags.md': flags(), 'filters.md': filters(), 'errors.md': errors(), 'metrics.md': await metrics() }
}

function page(title: string, intro: string, body: readonly string[]): string {
  const lines = [`# ${title}`, '', '<!-- Written by npm run docs. -->', '', intro, '', ...body]
  return `${lines.join('\n').trimEnd()}\n`
}
function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const row = (cells: readonly string[]): string => `| ${cells.map((c) => c.replaceAll('|', '\\|')).join(' | ')} |`
  return [row(head), row(head.map(() => '---')), ...rows.map(row)]
}
const code = (text: string): string => (text === '' ? '' : `\`${text}\``)

function flags(): string {
  const groups = Map.groupBy(Object.entries(OPTIONS) as [string, Option][], ([, o]) => o.group)
  const body = [...groups].flatMap(([group, options]) => [
    `## ${group}`,
    '',
    ...table(
      ['flag', 'kind', 'default', 'what it does'],
      options.map(([name, o]) => [code(`--${name}`), o.kind, code(o.default), o.help]),
    ),
    '',
  ])
  const intro = [
    `Options of \`portico serve\`. Each is also a variable (\`${environmentName('secure-port')}\` for \`--secure-port\`) and a field of`,
    '`options:` in the file of `--config`. Flags win over variables, variables over the file. A list is comma separated and may be',
    "given several times; a duration is in Go's syntax (`1m30s`).",
  ]
  return page('Flags', intro.join('\n'), body)
}

function filters(): string {
  const chain = read(CHAIN)
  const list = /export function filtersOf[\s\S]*?\n}/.exec(chain)![0]
  const files = [...list.matchAll(/^ {4}(\w+Filter)\(/gm)].map(([, name]) => {
    const from = new RegExp(`\\b${name}\\b[^\\n]*from '([^']+)'`).exec(chain)![1]!
    return relative(root, join(root, dirname(CHAIN), from))
  })
  const rows = describedFilters().map((f, i) => [code(f.name), f.about, `[${files[i]}](../${files[i]})`])
  const intro =
    'What a request passes on its way to a delegate, in the order it runs. The last filter is followed by the delegates.'
  return page('Filters', intro, table(['filter', 'what it does', 'file'], rows))
}

/** The doc comment right above a declaration, up to its first tag. */
function docBefore(text: string, at: number, what: string): string {
  const comment = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*$/.exec(text.slice(0, at))?.[1]
  if (comment === undefined) throw new Error(`${what} has no doc comment`)
  const plain = comment
    .replaceAll(/^\s*\*/gm, ' ')
    .replaceAll(/\s+/g, ' ')
    .trim()
  const about = plain.replace(/ ?@(param|returns|throws).*$/, '').trim()
  if (about === '') throw new Error(`${what}: its doc comment does not say what it does`)
  return about
}

function errors(): string {
  const text = read(ERRORS)
  const rows = [
    ...text.matchAll(/^export function (\w+)\((?:(?!\n})[\s\S])*?new StatusError\(\s*(\d+),\s*'(\w+)'/gm),
  ].map((m) => [m[2]!, code(m[3]!), docBefore(text, m.index, m[1]!)])
  const intro = [
    'Errors are `metav1.Status` objects in the encoding the client asked for. `reason` is what programs go by. What a backend answers is passed on',
    'as it is; errors of the proxy itself are a 503 ServiceUnavailable. A router that knows no better answers with the code and the reason that belongs to it.',
  ]
  return page(
    'Errors',
    intro.join('\n'),
    table(
      ['code', 'reason', 'when'],
      rows.sort((a, b) => Number(a[0]) - Number(b[0])),
    ),
  )
}

async function metrics(): Promise<string> {
  const dataDir = mkdtempSync(join(tmpdir(), 'portico-docs-'))
  const nobody = join(dataDir, 'nobody.kubeconfig')
  writeFileSync(nobody, JSON.stringify({ clusters: [{ name: 'nobody', cluster: { server: 'https://127.0.0.1:1' } }] }))
  const args = [
    '--secure-port=0',
    '--bind-address=127.0.0.1',
    '--storage-backend=memory',
    `--data-dir=${dataDir}`,
    `--authentication-kubeconfig=${nobody}`,
    `--authorization-kubeconfig=${nobody}`,
  ]
  const server = await startServer(completeConfig(readOptions({ args, env: {} })), { log: noopLogger })
  try {
    await server.ready
    const rows = server.metrics.describe().map((f) => [code(f.name), f.type, f.labels.map(code).join(' '), f.help])
    const intro = [
      'Families of a started server at `/metrics`, besides those of the process and of Node (`process_*`, `nodejs_*`) and what a configured etcd adds.',
      "Names, labels and buckets are kube-apiserver's where it has the family; `portico_*` are our own.",
    ]
    return page('Metrics', intro.join('\n'), table(['name', 'type', 'labels', 'help'], rows))
  } finally {
    await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

if (import.meta.main) {
  for (const [name, content] of Object.entries(await generatedPages())) writeFileSync(join(root, 'docs', name), content)
}

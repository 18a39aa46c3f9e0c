import { OPTIONS, type Option, environmentName } from '../app/config/options.ts'

export function help(commands: Readonly<Record<string, { readonly about: string }>>): string {
  const rows = [
    ...Object.entries(commands).map(([name, { about }]) => [name, about]),
    ['version', 'Print the version.'],
  ]
  const width = Math.max(...rows.map(([name]) => name!.length))
  return [
    'Portico: one front door for every Kubernetes-style API.',
    '',
    'Usage: portico <command> [options]',
    '',
    ...rows.map(([name, about]) => `  ${name!.padEnd(width)}  ${about}`),
    '',
    '"portico <command> --help" shows the options of one.',
    '',
  ].join('\n')
}

/** The options by group, from the one table. */
export function helpOf(command: string): string {
  const lines = [`Usage: portico ${command} [--option=value ...]`, '']
  const groups = Map.groupBy(Object.entries(OPTIONS) as [string, Option][], ([, o]) => o.group)
  for (const [group, options] of groups) {
    lines.push(`${group}:`)
    for (const [name, o] of options) {
      lines.push(
        `  --${name}${o.kind === 'flag' ? '' : ` <${o.kind}>`}${o.default === '' ? '' : ` (default ${o.default})`}`,
        `      ${o.help} [${environmentName(name)}]`,
      )
    }
    lines.push('')
  }
  return lines.join('\n')
}

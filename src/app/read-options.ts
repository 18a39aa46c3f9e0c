/** Options from everywhere they may come from. Order: defaults, config file, environment, flags; the later wins. */
import { readFileSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { ConfigurationError } from './configuration-error.ts'
import { OPTIONS, type OptionName, type OptionValues, environmentName, isOptionName, parseOption } from './options.ts'

export const CONFIG_API_VERSION = 'config.portico.dev/v1alpha1'
export const CONFIG_KIND = 'PorticoConfiguration'

export interface Sources {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
}
export interface ReadOptions {
  readonly values: OptionValues
  /** Those that were given, not defaulted. */
  readonly given: ReadonlySet<OptionName>
}

/** @throws ConfigurationError */
export function readOptions({ args, env }: Sources): ReadOptions {
  const flags = parseFlags(args)
  const variables = environmentOf(env)
  const file = flags.get('config') ?? variables.get('config')
  const fromFile = file === undefined || file.text === '' ? new Map<OptionName, Given>() : readConfigFile(file.text)
  const given = new Map([...fromFile, ...variables, ...flags])
  const values = Object.fromEntries(
    (Object.keys(OPTIONS) as OptionName[]).map((name) => {
      const { text, origin } = given.get(name) ?? { text: OPTIONS[name].default, origin: `default of --${name}` }
      return [name, parseOption(name, text, origin)]
    }),
  ) as OptionValues
  return { values, given: new Set(given.keys()) }
}

interface Given {
  readonly text: string
  readonly origin: string
}

/** `--name=value`, `--name value`, and `--flag` or `--no-flag` alone for flags. */
function parseFlags(args: readonly string[]): Map<OptionName, Given> {
  const found = new Map<OptionName, Given>()
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!
    if (!arg.startsWith('-')) throw new ConfigurationError(`unexpected argument ${JSON.stringify(arg)}`)
    const eq = arg.indexOf('=')
    let name = (eq < 0 ? arg : arg.slice(0, eq)).replace(/^--?/, '')
    let text = eq < 0 ? undefined : arg.slice(eq + 1)
    if (!isOptionName(name) && name.startsWith('no-') && isOptionName(name.slice(3)) && text === undefined) {
      name = name.slice(3)
      text = 'false'
    }
    if (!isOptionName(name)) throw new ConfigurationError(`unknown flag --${name}${suggestion(name)}`)
    if (text === undefined && OPTIONS[name].kind === 'flag') text = 'true'
    if (text === undefined) {
      text = args[++i]
      if (text === undefined) throw new ConfigurationError(`--${name}: needs a value`)
    }
    found.set(name, { text, origin: `--${name}` })
  }
  return found
}

function suggestion(name: string): string {
  const near = Object.keys(OPTIONS).find((known) => known.includes(name) || name.includes(known))
  return near === undefined ? '' : ` (did you mean --${near}?)`
}

function environmentOf(env: Sources['env']): Map<OptionName, Given> {
  const found = new Map<OptionName, Given>()
  for (const name of Object.keys(OPTIONS) as OptionName[]) {
    const text = env[environmentName(name)]
    if (text !== undefined) found.set(name, { text, origin: environmentName(name) })
  }
  return found
}

function readConfigFile(path: string): Map<OptionName, Given> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (e) {
    throw new ConfigurationError(`--config: ${(e as Error).message}`)
  }
  const document = parseDocument(text, { uniqueKeys: true })
  const problem = document.errors[0]
  if (problem) throw new ConfigurationError(`--config: ${path}: ${problem.message}`)
  const root = document.toJS() as { apiVersion?: unknown; kind?: unknown; options?: unknown } | null
  if (root?.apiVersion !== CONFIG_API_VERSION || root.kind !== CONFIG_KIND) {
    throw new ConfigurationError(
      `--config: ${path}: must have apiVersion ${CONFIG_API_VERSION} and kind ${CONFIG_KIND}`,
    )
  }
  const unknown = Object.keys(root).find((key) => !['apiVersion', 'kind', 'options'].includes(key))
  if (unknown !== undefined) throw new ConfigurationError(`--config: ${path}: unknown field ${unknown}`)
  return new Map(Object.entries((root.options ?? {}) as object).map(([name, value]) => fileEntry(path, name, value)))
}

function fileEntry(path: string, name: string, value: unknown): [OptionName, Given] {
  const origin = `${path}: options.${name}`
  if (!isOptionName(name)) throw new ConfigurationError(`--config: ${path}: unknown option ${name}${suggestion(name)}`)
  if (name === 'config') throw new ConfigurationError(`--config: ${path}: a config file cannot name another one`)
  const list = Array.isArray(value) ? value : [value]
  if (list.some((v) => !['string', 'number', 'boolean'].includes(typeof v)))
    throw new ConfigurationError(`${origin}: must be a text, a number, a flag or a list of them`)
  return [name, { text: list.map(String).join(','), origin }]
}

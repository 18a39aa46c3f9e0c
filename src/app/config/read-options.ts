/** Options from everywhere they may come from. Order: defaults, config file, environment, flags; the later wins. */
import { readFileSync } from 'node:fs'
import { type YAMLError, parseDocument } from 'yaml'
import { ConfigurationError } from './configuration-error.ts'
import { type DelegateConfig, readDelegates } from './delegates-config.ts'
import { type AcceptedFlag, acceptedFlag } from './accepted-flags.ts'
import { OPTIONS, type OptionName, type OptionValues, environmentName, isOptionName, parseOption } from './options.ts'
import { suggestion } from './suggestion.ts'

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
  /** Flags of kube-apiserver that were given and change nothing. */
  readonly withoutEffect: readonly AcceptedFlag[]
  /** Values of the config file alone. */
  readonly delegates: readonly DelegateConfig[]
}

/** @throws ConfigurationError */
export function readOptions({ args, env }: Sources): ReadOptions {
  const { found: flags, withoutEffect } = parseFlags(args)
  const variables = environmentOf(env)
  const file = flags.get('config') ?? variables.get('config')
  const fromFile = file === undefined || file.text === '' ? NO_FILE : readConfigFile(file.text)
  const given = new Map([...fromFile.options, ...variables, ...flags])
  const values = Object.fromEntries(
    (Object.keys(OPTIONS) as OptionName[]).map((name) => {
      const { text, origin } = given.get(name) ?? { text: OPTIONS[name].default, origin: `default of --${name}` }
      return [name, parseOption(name, text, origin)]
    }),
  ) as OptionValues
  return { values, given: new Set(given.keys()), withoutEffect, delegates: fromFile.delegates }
}

interface Given {
  readonly text: string
  readonly origin: string
}

/** `--name=value`, `--name value`, and `--flag` or `--no-flag` alone for flags. */
function parseFlags(args: readonly string[]): { found: Map<OptionName, Given>; withoutEffect: AcceptedFlag[] } {
  const found = new Map<OptionName, Given>()
  const withoutEffect = new Map<string, AcceptedFlag>()
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
    const accepted = acceptedFlag(name)
    if (accepted) {
      withoutEffect.set(name, accepted)
      if (text === undefined && accepted.takesValue && args[++i] === undefined)
        throw new ConfigurationError(`--${name}: needs a value`)
      continue
    }
    if (!isOptionName(name)) throw new ConfigurationError(`unknown flag --${name}${suggestion(name, optionNames())}`)
    if (text === undefined && OPTIONS[name].kind === 'flag') text = 'true'
    if (text === undefined) {
      text = args[++i]
      if (text === undefined) throw new ConfigurationError(`--${name}: needs a value`)
    }
    // As with kube-apiserver: a list given again grows, anything else is replaced.
    const before = OPTIONS[name].kind === 'list' ? found.get(name) : undefined
    found.set(name, { text: before ? `${before.text},${text}` : text, origin: `--${name}` })
  }
  return { found, withoutEffect: [...withoutEffect.values()] }
}

const optionNames = (): string[] => Object.keys(OPTIONS)

function environmentOf(env: Sources['env']): Map<OptionName, Given> {
  const found = new Map<OptionName, Given>()
  for (const name of Object.keys(OPTIONS) as OptionName[]) {
    const text = env[environmentName(name)]
    if (text !== undefined) found.set(name, { text, origin: environmentName(name) })
  }
  return found
}

interface ConfigFile {
  readonly options: ReadonlyMap<OptionName, Given>
  readonly delegates: readonly DelegateConfig[]
}
const NO_FILE: ConfigFile = { options: new Map(), delegates: [] }

function readConfigFile(path: string): ConfigFile {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (e) {
    throw new ConfigurationError(`--config: ${(e as Error).message}`)
  }
  const document = parseDocument(text, { uniqueKeys: true })
  const problem = document.errors[0]
  if (problem) throw new ConfigurationError(`--config: ${path}: ${oneLine(problem, text)}`)
  const root = document.toJS() as Record<string, unknown> | null
  if (root?.['apiVersion'] !== CONFIG_API_VERSION || root['kind'] !== CONFIG_KIND) {
    throw new ConfigurationError(
      `--config: ${path}: must have apiVersion ${CONFIG_API_VERSION} and kind ${CONFIG_KIND}`,
    )
  }
  const unknown = Object.keys(root).find((key) => !['apiVersion', 'kind', 'options', 'delegates'].includes(key))
  if (unknown !== undefined) throw new ConfigurationError(`--config: ${path}: unknown field ${unknown}`)
  const { options = {}, delegates } = root
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new ConfigurationError(`--config: ${path}: options: must be a map of names to values`)
  return {
    options: new Map(Object.entries(options).map(([name, value]) => fileEntry(path, name, value))),
    delegates: readDelegates(delegates, `--config: ${path}: delegates`),
  }
}

function oneLine(problem: YAMLError, text: string): string {
  const line = problem.linePos ? text.split('\n')[problem.linePos[0].line - 1]!.trim() : ''
  const [message = ''] = problem.message.split('\n')
  return line === '' ? message : `${message} ${line}`
}

function fileEntry(path: string, name: string, value: unknown): [OptionName, Given] {
  const origin = `${path}: options.${name}`
  if (!isOptionName(name))
    throw new ConfigurationError(`--config: ${path}: unknown option ${name}${suggestion(name, optionNames())}`)
  if (name === 'config') throw new ConfigurationError(`--config: ${path}: a config file cannot name another one`)
  const list = Array.isArray(value) ? value : [value]
  if (list.some((v) => !['string', 'number', 'boolean'].includes(typeof v)))
    throw new ConfigurationError(`${origin}: must be a text, a number, a flag or a list of them`)
  return [name, { text: list.map(String).join(','), origin }]
}

/**
 * The one table of options: flags, environment, config file, help and the Config's type come from it. Its rows stand in
 * options/, a file for each area.
 * Names are kube-apiserver's where it has one.
 */
import { parseDuration } from '../../lib/duration.ts'
import { ConfigurationError } from './configuration-error.ts'
import { AGGREGATOR } from './options/aggregator.ts'
import { AUTHENTICATION } from './options/authentication.ts'
import { AUTHORIZATION } from './options/authorization.ts'
import { FRONTED } from './options/fronted.ts'
import { GENERAL } from './options/general.ts'
import { OBSERVABILITY } from './options/observability.ts'
import { REQUESTS } from './options/requests.ts'
import { SERVING } from './options/serving.ts'
import { SHUTDOWN } from './options/shutdown.ts'
import { STORAGE } from './options/storage.ts'
import type { Option, OptionKind } from './options/option.ts'

export type { Option } from './options/option.ts'

interface ValueOf {
  text: string
  list: readonly string[]
  flag: boolean
  int: number
  port: number
  /** Milliseconds. */
  duration: number
}

export const OPTIONS = {
  ...GENERAL,
  ...SERVING,
  ...STORAGE,
  ...AUTHENTICATION,
  ...AUTHORIZATION,
  ...AGGREGATOR,
  ...FRONTED,
  ...REQUESTS,
  ...SHUTDOWN,
  ...OBSERVABILITY,
} satisfies Record<string, Option>

export type OptionName = keyof typeof OPTIONS
export type OptionValues = { readonly [N in OptionName]: ValueOf[(typeof OPTIONS)[N]['kind']] }

const PARSE: { [K in OptionKind]: (text: string) => ValueOf[K] } = {
  text: (t) => t,
  list: (t) =>
    t
      .split(',')
      .map((s) => s.trim())
      .filter((s) => s !== ''),
  flag: (t) => {
    if (/^(true|1|)$/i.test(t)) return true
    if (/^(false|0)$/i.test(t)) return false
    throw new RangeError('must be true or false')
  },
  int: (t) => {
    if (!/^-?\d+$/.test(t)) throw new RangeError('must be a whole number')
    return Number(t)
  },
  port: (t) => {
    if (!/^\d+$/.test(t) || Number(t) > 65535) throw new RangeError('must be a port, 0 to 65535')
    return Number(t)
  },
  duration: (t) => {
    const ms = parseDuration(t)
    if (ms < 0) throw new RangeError('can not be a negative value')
    return ms
  },
}

/** @throws ConfigurationError naming the option and where its value came from. */
export function parseOption<N extends OptionName>(name: N, text: string, origin: string): OptionValues[N] {
  try {
    const parse: (t: string) => unknown = PARSE[OPTIONS[name].kind]
    return parse(text) as OptionValues[N]
  } catch (e) {
    throw new ConfigurationError(`${origin}: ${JSON.stringify(text)}: ${(e as Error).message}`)
  }
}

export function isOptionName(name: string): name is OptionName {
  return Object.hasOwn(OPTIONS, name)
}
/** `PORTICO_SECURE_PORT` for `secure-port`. */
export function environmentName(name: string): string {
  return `PORTICO_${name.toUpperCase().replaceAll('-', '_')}`
}

/** `portico filters`: what a request passes on its way to a delegate. */
import { ConfigurationError } from '../app/config/configuration-error.ts'
import { describedFilters } from '../servers/generic/described-filters.ts'
import { textTable } from './text-table.ts'

export const FILTERS_HELP = `Usage: portico filters

The filters that every request passes, in the order they run, and what each of them does.
`

/** @throws ConfigurationError */
export async function filters(args: readonly string[]): Promise<number> {
  if (args.length > 0) throw new ConfigurationError(`unexpected argument ${JSON.stringify(args[0])}`)
  process.stdout.write(textTable(describedFilters().map(({ name, about }) => [name, about])))
  return 0
}

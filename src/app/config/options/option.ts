/** What an option is. The files beside this one hold the rows, a file for each area. */

export type OptionKind = 'text' | 'list' | 'flag' | 'int' | 'port' | 'duration'
export interface Option<K extends OptionKind = OptionKind> {
  readonly kind: K
  /** As on the command line. */
  readonly default: string
  readonly help: string
  /** The heading above it in the help. */
  readonly group: string
}
type Row = readonly [kind: OptionKind, def: string, help: string]
type OptionsOf<Rows extends Readonly<Record<string, Row>>> = { readonly [N in keyof Rows]: Option<Rows[N][0]> }

/** The options of one area. @param rows by name: kind, default, help. */
export function options<const Rows extends Readonly<Record<string, Row>>>(group: string, rows: Rows): OptionsOf<Rows> {
  const entries = Object.entries(rows).map(([name, [kind, def, help]]) => [name, { kind, default: def, help, group }])
  return Object.fromEntries(entries) as OptionsOf<Rows>
}

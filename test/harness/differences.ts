/** The table of docs/differences.md: where Portico answers otherwise than a recorded server. */
import { readFileSync } from 'node:fs'

export interface DifferenceRow {
  readonly file: string
  /** Name of the entry; `*` stands for anything. */
  readonly entry: string
  /** Of our answer. */
  readonly status: number
  matches(name: string): boolean
}

/** `| file | entry | status, and what it says | why |`, below the heading "Recorded answers". */
export function readDifferences(): readonly DifferenceRow[] {
  const text = readFileSync(new URL('../../docs/differences.md', import.meta.url), 'utf8')
  return text.split('\n').flatMap((line) => {
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'))
    const found = /^`([\w-]+)`$/.exec(cells[1] ?? '')
    const entry = /^`(.+)`$/.exec(cells[2] ?? '')?.[1]
    const status = Number.parseInt(cells[3] ?? '', 10)
    if (!found || entry === undefined) return []
    if (Number.isNaN(status)) throw new Error(`no status in: ${line}`)
    const pattern = new RegExp(`^${entry.split('*').map(escaped).join('.*')}$`, 's')
    return [{ file: found[1]!, entry, status, matches: (name: string) => pattern.test(name) }]
  })
}
const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)

const UNIT_MS: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}
const TERM = /^(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)/

/** Parses a duration in Go's syntax (`1h2m`, `1.5s`, `0`) into ms. @throws RangeError with Go's own text. */
export function parseDuration(text: string): number {
  const bad = (why = 'invalid duration'): RangeError => new RangeError(`time: ${why} ${JSON.stringify(text)}`)
  let rest = text
  const negative = rest.startsWith('-')
  if (negative || rest.startsWith('+')) rest = rest.slice(1)
  if (rest === '0') return 0
  if (rest === '') throw bad()
  let ms = 0
  while (rest !== '') {
    const term = TERM.exec(rest)
    if (!term) {
      if (/^(\d+(?:\.\d*)?|\.\d+)$/.test(rest)) throw bad('missing unit in duration')
      throw bad()
    }
    ms += Number(term[1]) * UNIT_MS[term[2]!]!
    rest = rest.slice(term[0].length)
  }
  return negative ? -ms : ms
}

/** Prints ms as Go prints a time.Duration: `1m0s`, `1.5s`, `250ms`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  const sign = ms < 0 ? '-' : ''
  const abs = Math.abs(ms)
  if (abs < 1) return abs >= 1e-3 ? `${sign}${trim(abs * 1e3)}µs` : `${sign}${trim(abs * 1e6)}ns`
  if (abs < 1000) return `${sign}${trim(abs)}ms`
  const hours = Math.floor(abs / 3_600_000)
  const minutes = Math.floor((abs % 3_600_000) / 60_000)
  const seconds = trim((abs % 60_000) / 1000)
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}s`
  return minutes > 0 ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`
}
const trim = (n: number): string => String(Number(n.toFixed(9)))

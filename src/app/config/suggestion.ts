/** A name at most this far from a known name is taken for a slip of the keys. */
const MAX_SLIPS = 3

/** @returns ` (did you mean --secure-port?)`; empty where no name is near. @param prefix before the name: `--`, or nothing. */
export function suggestion(name: string, known: readonly string[], prefix = '--'): string {
  const near = known
    .map((candidate) => ({ candidate, slips: editDistance(name, candidate) }))
    .sort((a, b) => a.slips - b.slips)[0]
  const partOf = name.length > 2 ? known.find((candidate) => candidate.includes(name)) : undefined
  const meant = near && near.slips <= MAX_SLIPS && near.slips < name.length ? near.candidate : partOf
  return meant === undefined ? '' : ` (did you mean ${prefix}${meant}?)`
}

/** Insertions, deletions and replacements between two names. O(n * m). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)))
    row = next
  }
  return row[b.length]!
}
